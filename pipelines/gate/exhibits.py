"""Which slice shows each figure worst, so that a finding can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.gate.alignment import Alignment
from pipelines.gate.benefit import Benefit
from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.pictures import Gallery
from pipelines.gate.source_signs import SourceSigns
from pipelines.gate.tissues import LEAST_BLOCKS, SliceFigures, correlation_of, mean_shift, shift_figure
from pipelines.gate.verdict import both_sides
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult

USUAL_AIR_HU = -1000.0
USUAL_GRAIN = 0.5

Bad = tuple[str, float | None]
"""A figure, and how bad this slice is by it; None where it was not measured."""


@dataclass
class Exhibits:
    """Of one series, slice by slice; figures with a map are shown where the map is made."""

    manifest: Manifest
    gallery: Gallery
    _before: SliceResult | None = None
    _likeness: float | None = None

    def show(self, measured: MeasuredSlice, result: SliceResult) -> None:
        for figure, badness in self._all(measured):
            if badness is not None:
                self.gallery.show(figure, badness, result)
        self._continue(measured.alignment, result)

    def end(self) -> None:
        """After the last slice, which has but one neighbour."""
        if self._before is not None and self._likeness is not None:
            self.gallery.show("source_continuity", -self._likeness, self._before)

    def _all(self, measured: MeasuredSlice) -> Iterator[Bad]:
        figures = measured.figures
        yield from faults(measured)
        if measured.artefacts is not None:
            yield "source_motion", measured.artefacts.motion
            yield "source_metal_streaks", measured.artefacts.metal
        if figures.finite:
            yield from source_bads(measured.signs, figures)
            yield from self._value_bads(measured)
        if measured.alignment is not None:
            yield from place_bads(measured.alignment)

    def _value_bads(self, measured: MeasuredSlice) -> Iterator[Bad]:
        if self.manifest.task == "translate":
            return
        figures, quantity, limits = measured.figures, self.manifest.inputs[0].quantity, self.manifest.gate
        for name, part in figures.classes.items():
            figure = shift_figure(name, quantity)
            yield figure, abs(part.shift_sum)
            if part.blocks >= LEAST_BLOCKS:
                yield f"worst_slice_{figure}", abs(mean_shift([part], quantity))
        unit = "hu" if quantity == "hounsfield_units" else "signal"
        yield f"noise_removed_{unit}", figures.noise_removed
        yield "structure_removed", correlation_of(*figures.edge_moments)
        if (ratio := figures.noise_ratio) is not None:
            yield (
                "noise_ratio",
                both_sides("", ratio, "", limits.noise_ratio_warn, limits.noise_ratio_hold).strain,
            )
        if (kept := measured.edges_kept) is not None:
            yield "edges_kept", abs(kept - 1)
        yield from worth_bads(measured.benefit)

    def _continue(self, alignment: Alignment | None, result: SliceResult) -> None:
        """A slice is as continuous as the more alike of its neighbours: known with the one after it."""
        likeness = alignment.likeness if alignment else None
        known = [each for each in (self._likeness, likeness) if each is not None]
        if self._before is not None and known:
            self.gallery.show("source_continuity", -max(known), self._before)
        self._before, self._likeness = result, likeness


def faults(measured: MeasuredSlice) -> Iterator[Bad]:
    """What no slice may have; the first is shown."""
    figures = measured.figures
    yield "broken_slices", None if figures.finite else 1.0
    yield "blank_slices", 1.0 if figures.constant else None
    yield "unmeasured_slices", 1.0 if figures.finite and not measured.measured else None
    yield "unchanged_slices", 1.0 if figures.unchanged else None


def worth_bads(found: Benefit | None) -> Iterator[Bad]:
    if found is not None:
        yield "texture_kept", None if found.texture_kept is None else -found.texture_kept
        yield "lung_share_removed", None if found.lung_share_removed is None else -found.lung_share_removed


def source_bads(signs: SourceSigns, figures: SliceFigures) -> Iterator[Bad]:
    yield "source_1st_percentile", -figures.source_range[0]
    yield "source_99th_percentile", figures.source_range[1]
    yield "source_grain", None if signs.grain is None else abs(signs.grain - USUAL_GRAIN)
    yield "source_metal_permille", signs.metal or None
    yield "source_peak", signs.peak
    yield "source_ghosts", signs.ghosts
    yield "source_air_hu", None if signs.air_hu is None else abs(signs.air_hu - USUAL_AIR_HU)
    yield "source_without_air", signs.without_air
    yield "lung_share", None if signs.lung_share is None else -signs.lung_share


def place_bads(found: Alignment) -> Iterator[Bad]:
    yield "mirrored_fit", -found.mirrored
    for figure, fits in (("exchanged_fit", found.exchanged), ("shifted_fit", found.shifted)):
        yield figure, -min((fit for _, fit in fits), default=9.0)
    yield "correlation_with_source", None if found.correlation is None else -found.correlation
