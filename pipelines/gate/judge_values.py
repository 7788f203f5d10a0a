"""Are the result's values sound: means of tissues, noise taken away and left, structure in the change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from statistics import median

from pipelines.gate.measured import MeasuredSlice
from pipelines.gate.tissues import ClassFigures, SliceFigures
from pipelines.gate.verdict import Finding, Judged, Limits, both_sides, named_slices
from pipelines.manifest import Manifest

LEAST_BLOCKS = 200
"""Blocks (16 pixels each) a tissue class must have before its mean is judged."""

Slices = Sequence[MeasuredSlice]


def soundness(slices: Slices) -> Iterator[Finding]:
    figures = [slice_.figures for slice_ in slices]
    if not figures:
        yield Finding("HOLD", "There is no result image.")
    if broken := [each.index for each in figures if not each.finite]:
        reason = f"{named_slices(broken)} hold values that are not numbers."
        yield Finding("HOLD", reason, slice_index=broken[0])
    if blank := [each.index for each in figures if each.constant]:
        reason = f"{named_slices(blank)} are blank although the source is not."
        yield Finding("HOLD", reason, slice_index=blank[0])


def unchanged(slices: Slices) -> Iterator[Finding]:
    if slices and all(slice_.figures.unchanged for slice_ in slices):
        yield Finding("HOLD", "The result is identical to the source: nothing was done to it.")


def mean_shifts(slices: Slices, manifest: Manifest) -> Iterator[Judged]:
    """Result minus source over each tissue: of the series, and of the worst slice by itself."""
    in_hu, limits = manifest.inputs[0].quantity == "hounsfield_units", manifest.gate
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
        key = f"mean_shift_{name.replace(' ', '_')}_{'hu' if in_hu else 'percent'}"
        whole, (index, worst) = _shift(parts.values(), in_hu), _worst(parts, in_hu)
        yield _shifted(key, name.capitalize(), whole, unit, Limits(warn, hold), index)
        alone = Limits(None, hold) if in_hu and abs(whole) <= hold else Limits(None, None)
        yield _shifted(f"worst_slice_{key}", f"In one slice: {name}", worst, unit, alone, index)


def _shift(parts: Iterable[ClassFigures], in_hu: bool) -> float:
    total = list(parts)
    shift = sum(part.shift_sum for part in total)
    if in_hu:
        return shift / sum(part.blocks for part in total)
    return 100.0 * shift / max(sum(part.source_sum for part in total), 1e-12)


def _worst(parts: dict[int, ClassFigures], in_hu: bool) -> tuple[int | None, float]:
    large = [(index, _shift([part], in_hu)) for index, part in parts.items() if part.blocks >= LEAST_BLOCKS]
    return max(large, key=lambda pair: abs(pair[1]), default=(None, 0.0))


def _shifted(key: str, what: str, shift: float, unit: str, limits: Limits, index: int | None) -> Judged:
    words = f"{what} is {abs(shift):.1f} {unit} {'brighter' if shift > 0 else 'darker'} than in the source"
    found = limits.judge(key, abs(shift), words, slice_index=index, unit=f" {unit}")
    return Judged(key, shift, found.strain, found.finding)


def noise(slices: Slices, manifest: Manifest) -> Iterator[Judged]:
    """How much noise was removed, and how much is left."""
    if not slices:
        return
    limits, in_hu = manifest.gate, manifest.inputs[0].quantity == "hounsfield_units"
    removed = median(slice_.figures.noise_removed for slice_ in slices)
    words = f"An unusual amount of noise ({removed:.1f} HU) was removed"
    known = (
        Limits(limits.noise_removed_warn_hu, limits.noise_removed_hold_hu) if in_hu else Limits(None, None)
    )
    yield known.judge("noise_removed_hu" if in_hu else "noise_removed_signal", removed, words)
    ratios = [ratio for slice_ in slices if (ratio := slice_.figures.noise_ratio) is not None]
    if ratios:
        ratio = median(ratios)
        words = f"The result holds {100 * ratio:.0f} % of the source's noise"
        yield both_sides("noise_ratio", ratio, words, limits.noise_ratio_warn, limits.noise_ratio_hold)


def structure(slices: Slices, manifest: Manifest) -> Iterator[Judged]:
    """Whether the change is larger where the source has edges."""
    if not slices:
        return
    figures: list[SliceFigures] = [slice_.figures for slice_ in slices]
    sums = [sum(column) for column in zip(*(each.edge_moments for each in figures), strict=True)]
    correlation = _correlation(*sums)
    words = f"Organ edges show in what was removed ({correlation:.2f}): fine detail may be lost"
    known = Limits(manifest.gate.structure_warn, manifest.gate.structure_hold)
    yield known.judge("structure_removed", correlation, words)


def _correlation(count: float, x: float, y: float, xx: float, yy: float, xy: float) -> float:
    """Pearson's correlation from sums; 0 where either does not vary."""
    if count == 0:
        return 0.0
    variances = (xx - x * x / count) * (yy - y * y / count)
    return (xy - x * y / count) / sqrt(variances) if variances > 0 else 0.0
