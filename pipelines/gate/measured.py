"""Everything the gate measures on one slice as it goes by; only numbers are kept, and the worst pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipelines.artefacts.score import SIDE as ARTEFACT_SIDE
from pipelines.artefacts.score import ArtefactModel, Artefacts, artefact_model
from pipelines.blocks import BLOCK, SliceBlocks
from pipelines.gate.alignment import Aligner, Alignment
from pipelines.gate.benefit import Benefit, benefit
from pipelines.gate.edges import edges_kept
from pipelines.gate.local_change import local_change, tissue
from pipelines.gate.pictures import Gallery
from pipelines.gate.source_signs import SourceSigns, source_signs
from pipelines.gate.tissues import SliceFigures, measure, with_tissues
from pipelines.gate_thresholds import GateThresholds
from pipelines.manifest import Manifest
from pipelines.measures.fourier_ring import PATCH, ScannedCorrelation, correlate
from pipelines.out_of_distribution.score import OddityModel, oddity_model
from pipelines.out_of_distribution.thumbnail import thumbnail
from pipelines.repeats import UncertainResult
from pipelines.volume import SliceResult

PATCH_STEP = 48
LEAST_TISSUE = 0.6
"""Share of a patch that must be tissue for its Fourier rings to be compared."""
LEAST_CONTRAST = 3.0
"""Standard deviation of such a patch, smoothed, over that of the noise removed from the slice."""
LEAST_ALIGNED = 0.05
"""Share of a slice that must be tissue for its place to be judged."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class MeasuredSlice:
    """All the gate remembers of a slice."""

    figures: SliceFigures
    signs: SourceSigns = field(default_factory=SourceSigns)
    alignment: Alignment | None = None
    local_change: float | None = None
    edges_kept: float | None = None
    fourier_crossing: float | None = None
    """The lowest of the slice's patches, in cycles a pixel."""
    oddity: float | None = None
    """Over what 98 of 100 slices of patients the VAE has not seen reach."""
    artefacts: Artefacts | None = None
    benefit: Benefit | None = None
    """Of a slice in Hounsfield units whose values are kept."""
    spread: float | None = None
    """Median spread of repeated answers in tissue, in the quantity of the result."""

    @property
    def measured(self) -> bool:
        """Whether all that was measured is a number."""
        mine = self.local_change, self.edges_kept, self.fourier_crossing, self.oddity, self.spread
        signs, aligned, figures = self.signs, self.alignment, self.figures
        source = signs.noise, signs.grain, signs.ghosts, signs.air_hu, signs.lung_share, signs.peak
        places = (aligned.correlation, aligned.likeness, aligned.mirrored) if aligned else ()
        values = figures.noise_removed, figures.noise_ratio, *figures.edge_moments, *figures.source_range
        seen = (self.artefacts.motion, self.artefacts.metal) if self.artefacts else ()
        worth = (self.benefit.texture_kept, self.benefit.lung_share_removed) if self.benefit else ()
        return all(
            value is None or isfinite(value) for value in (*mine, *source, *places, *values, *seen, *worth)
        )


class Measurer:
    """Measures the slices of one series in their order."""

    def __init__(self, manifest: Manifest, gallery: Gallery) -> None:
        self._quantity = manifest.inputs[0].quantity
        self._modality = manifest.inputs[0].modality
        self._keeps_values = manifest.task != "translate"
        self._gallery = gallery
        self._aligner = Aligner(self._keeps_values)
        limits = manifest.gate
        judged = limits.out_of_distribution_warn is not None or limits.out_of_distribution_hold is not None
        self._vae: OddityModel | None = oddity_model() if judged else None
        self._artefact_model: ArtefactModel | None = artefact_model() if looks_for_artefacts(limits) else None

    def measure(self, result: SliceResult) -> MeasuredSlice:
        figures = measure(result)
        oddity = self._oddity(result)
        if not figures.finite or min(result.source.values.shape) < 3 * BLOCK:
            return MeasuredSlice(figures, oddity=oddity)
        blocks = SliceBlocks.of(result)
        figures = with_tissues(figures, blocks, self._quantity)
        inside, _ = tissue(blocks, self._quantity)
        enough = bool(inside.mean() >= LEAST_ALIGNED)
        return MeasuredSlice(
            figures,
            signs=source_signs(result.source.values, blocks, self._quantity),
            alignment=self._aligner.observe(blocks) if enough else None,
            local_change=self._local_change(result, blocks) if self._keeps_values else None,
            edges_kept=edges_kept(result, blocks, inside) if self._keeps_values else None,
            fourier_crossing=self._crossing(result, blocks, LEAST_CONTRAST * figures.noise_removed)
            if self._keeps_values
            else None,
            oddity=oddity,
            artefacts=self._artefacts(result),
            benefit=self._benefit(result, blocks, figures),
            spread=_spread(result, inside),
        )

    def _benefit(self, result: SliceResult, blocks: SliceBlocks, figures: SliceFigures) -> Benefit | None:
        if not self._keeps_values or self._quantity != "hounsfield_units":
            return None
        return benefit(result, blocks, figures.noise_ratio)

    def _local_change(self, result: SliceResult, blocks: SliceBlocks) -> float | None:
        found = local_change(blocks, self._quantity)
        if found is None:
            return None
        self._gallery.show("local_change", found.peak, result, found.map, found.place)
        return found.peak

    def _crossing(self, result: SliceResult, blocks: SliceBlocks, least_contrast: float) -> float | None:
        inside, _ = tissue(blocks, self._quantity)
        places = patches_to_scan(blocks, inside, least_contrast)
        if not places:
            return None
        scanned = correlate(result.values, result.source.values, places)
        crossings = scanned.crossings()
        row, column = (int(start) + PATCH // 2 for start in scanned.places[int(crossings.argmin())])
        lowest = float(crossings.min())
        if self._gallery.is_worst("fourier_crossing", -lowest):
            chart = crossing_map(scanned, inside.shape)
            self._gallery.show("fourier_crossing", -lowest, result, chart, (row, column))
        return lowest

    def _oddity(self, result: SliceResult) -> float | None:
        if self._vae is None or not self._vae.knows(self._modality):
            return None
        found = self._vae.oddity(thumbnail(result.source.values, self._quantity), self._modality)
        value = self._vae.relative(found, self._modality)
        self._gallery.show("out_of_distribution", value, result, found.map)
        return value

    def _artefacts(self, result: SliceResult) -> Artefacts | None:
        if self._artefact_model is None:
            return None
        return self._artefact_model.artefacts(thumbnail(result.source.values, self._quantity, ARTEFACT_SIDE))


def looks_for_artefacts(limits: GateThresholds) -> bool:
    """Whether motion or metal is judged at all."""
    motion = limits.source_motion_warn, limits.source_motion_hold
    metal = limits.source_metal_streaks_warn, limits.source_metal_streaks_hold
    return any(limit is not None for limit in (*motion, *metal))


def patches_to_scan(
    blocks: SliceBlocks, inside: NDArray[np.bool_], least_contrast: float
) -> list[tuple[int, int]]:
    """First row and column of each patch that is mostly tissue and shows more than the noise that is removed.

    Of noise alone a good denoiser keeps nothing, so it has no rings to compare.
    """
    if min(inside.shape) < PATCH // BLOCK:
        return []
    enough = patches_of(inside).mean((2, 3)) > LEAST_TISSUE
    row, column = np.nonzero(enough & patches_of(blocks.measured).all((2, 3)))
    contrast = patches_of(blocks.smooth)[row, column].std((1, 2))
    places = PATCH_STEP * np.stack([row, column], axis=1)[contrast > least_contrast]
    return [(int(row), int(column)) for row, column in places]


def patches_of(blocks: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns, 16, 16): a view of the blocks of each patch."""
    return sliding_window_view(blocks, (PATCH // BLOCK,) * 2)[:: PATCH_STEP // BLOCK, :: PATCH_STEP // BLOCK]


def crossing_map(scanned: ScannedCorrelation, shape: tuple[int, ...]) -> Values:
    """(rows // 4, columns // 4): how far each patch's crossing lies below the Nyquist frequency, 0 to 1."""
    shown, side = np.zeros(shape, np.float32), PATCH // BLOCK
    for (row, column), crossing in zip(scanned.places // BLOCK, scanned.crossings(), strict=True):
        part = shown[row : row + side, column : column + side]
        np.maximum(part, np.float32(1 - 2 * crossing), out=part)
    return shown


def _spread(result: SliceResult, inside: NDArray[np.bool_]) -> float | None:
    if not isinstance(result, UncertainResult) or not inside.any():
        return None
    rows, columns = (side * BLOCK for side in inside.shape)
    return float(np.median(result.spread[1:rows:BLOCK, 1:columns:BLOCK][inside]))
