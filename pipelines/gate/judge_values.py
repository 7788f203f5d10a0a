"""Are the result's values sound: means of tissues, noise taken away and left, structure in the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.pictures import Gallery
from pipelines.gate.tissues import (
    LEAST_BLOCKS,
    ClassFigures,
    SliceFigures,
    correlation_of,
    mean_shift,
    shift_figure,
)
from pipelines.gate.verdict import Finding, Judged, Limits, both_sides, named_slices
from pipelines.manifest import Manifest
from pipelines.volume import Quantity

Slices = Sequence[MeasuredSlice]


def soundness(slices: Slices) -> Iterator[Judged | Finding]:
    if not slices:
        yield Finding("HOLD", "There is no result image.")
    broken = [each.figures.index for each in slices if not each.figures.finite]
    yield from _counted("broken_slices", broken, "hold values that are not numbers")
    blank = [each.figures.index for each in slices if each.figures.constant]
    yield from _counted("blank_slices", blank, "are blank although the source is not")
    unmeasured = [each.figures.index for each in slices if each.figures.finite and not each.measured]
    yield from _counted(
        "unmeasured_slices", unmeasured, "cannot be judged: what was measured on them is no number"
    )


def unchanged(slices: Slices) -> Iterator[Judged]:
    if slices and all(slice_.figures.unchanged for slice_ in slices):
        reason = "The result is identical to the source: nothing was done to it."
        yield from _held("unchanged_slices", len(slices), reason, slices[0].figures.index)


def _counted(figure: str, indices: Sequence[int], words: str) -> Iterator[Judged]:
    if indices:
        yield from _held(figure, len(indices), f"{named_slices(indices)} {words}.", indices[0])


def _held(figure: str, count: int, reason: str, index: int) -> Iterator[Judged]:
    """None is allowed."""
    finding = Finding("HOLD", reason, figure, float(count), 0.0, index)
    yield Judged(figure, float(count), 1.0, finding, hold=0.0)


def mean_shifts(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """Result minus source over each tissue: of the series, and of the worst slice by itself."""
    quantity, limits = manifest.inputs[0].quantity, manifest.gate
    in_hu = quantity == "hounsfield_units"
    unit = "HU" if in_hu else "%"
    warn = limits.mean_shift_warn_hu if in_hu else limits.mean_shift_warn_percent
    hold = limits.mean_shift_hold_hu if in_hu else limits.mean_shift_hold_percent
    for name in sorted({name for slice_ in slices for name in slice_.figures.classes}):
        parts = {
            slice_.figures.index: slice_.figures.classes[name]
            for slice_ in slices
            if name in slice_.figures.classes
        }
        if sum(part.blocks for part in parts.values()) < LEAST_BLOCKS:
            continue
        key = shift_figure(name, quantity)
        whole, (index, worst) = mean_shift(parts.values(), quantity), _worst(parts, quantity)
        yield _shifted(key, name.capitalize(), whole, unit, Limits(warn, hold), gallery.slice_of(key))
        alone = Limits(None, hold) if in_hu and abs(whole) <= hold else Limits(None, None)
        yield _shifted(f"worst_slice_{key}", f"In one slice: {name}", worst, unit, alone, index)


def _worst(parts: dict[int, ClassFigures], quantity: Quantity) -> tuple[int | None, float]:
    large = [
        (index, mean_shift([part], quantity)) for index, part in parts.items() if part.blocks >= LEAST_BLOCKS
    ]
    return max(large, key=lambda pair: abs(pair[1]), default=(None, 0.0))


def _shifted(key: str, what: str, shift: float, unit: str, limits: Limits, index: int | None) -> Judged:
    words = f"{what} is {abs(shift):.1f} {unit} {'brighter' if shift > 0 else 'darker'} than in the source"
    found = limits.judge(key, abs(shift), words, slice_index=index, unit=f" {unit}")
    return replace(found, value=shift)


def noise(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """How much noise was removed, and how much is left."""
    if not slices:
        return
    limits, in_hu = manifest.gate, manifest.inputs[0].quantity == "hounsfield_units"
    removed = median(slice_.figures.noise_removed for slice_ in slices)
    words = f"An unusual amount of noise ({removed:.1f} HU) was removed"
    known = (
        Limits(limits.noise_removed_warn_hu, limits.noise_removed_hold_hu) if in_hu else Limits(None, None)
    )
    figure = "noise_removed_hu" if in_hu else "noise_removed_signal"
    yield known.judge(figure, removed, words, slice_index=gallery.slice_of(figure))
    ratios = [ratio for slice_ in slices if (ratio := slice_.figures.noise_ratio) is not None]
    if ratios:
        ratio = median(ratios)
        words = f"The result holds {100 * ratio:.0f} % of the source's noise"
        known_ratios = limits.noise_ratio_warn, limits.noise_ratio_hold
        at = gallery.slice_of("noise_ratio")
        yield both_sides("noise_ratio", ratio, words, *known_ratios, slice_index=at)


def structure(slices: Slices, manifest: Manifest, gallery: Gallery) -> Iterator[Judged]:
    """Whether the change is larger where the source has edges."""
    if not slices:
        return
    figures: list[SliceFigures] = [slice_.figures for slice_ in slices]
    sums = [sum(column) for column in zip(*(each.edge_moments for each in figures), strict=True)]
    correlation = correlation_of(*sums)
    words = f"Organ edges show in what was removed ({correlation:.2f}): fine detail may be lost"
    known = Limits(manifest.gate.structure_warn, manifest.gate.structure_hold)
    at = gallery.slice_of("structure_removed")
    yield known.judge("structure_removed", correlation, words, slice_index=at)
