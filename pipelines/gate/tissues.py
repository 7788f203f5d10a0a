"""What the gate measures on one slice: a few numbers, so that the series need not be held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pipelines.blocks import SOFT_TISSUE_HU, SliceBlocks, middle
from pipelines.volume import Quantity, SliceResult

HOUNSFIELD_CLASSES: Mapping[str, tuple[float, float]] = {
    "air": (-2000.0, -930.0),
    "lung": (-900.0, -500.0),
    "fat": (-140.0, -40.0),
    "soft tissue": SOFT_TISSUE_HU,
    "bone": (250.0, 3000.0),
}
"""Half-open ranges with room between them, so that edges and mixtures fall in none."""

SIGNAL_CLASSES: Mapping[str, tuple[float, float]] = {"dark tissue": (0.15, 0.5), "bright tissue": (0.5, 1.5)}
"""In MR: fractions of the slice's 99th percentile, below which lies background."""

LEAST_BLOCKS = 200
"""Blocks (16 pixels each) a tissue class must have before its mean is judged."""
LEAST_NOISE_BLOCKS = 100
"""Blocks of a tissue needed to compare the noise in it."""
CUT_OFF = 0.05
"""Share of a class at the lowest value stored, above which its mean is not judged: scanners cut noise off
there, which lifts the mean by 0.5 HU at this share."""


Values = NDArray[np.float32]


@dataclass(frozen=True)
class ClassFigures:
    """Sums over the blocks of one tissue class in one slice."""

    blocks: int
    source_sum: float
    shift_sum: float
    """Sum of result minus source."""


@dataclass(frozen=True)
class SliceFigures:
    """All the gate remembers of a slice."""

    index: int
    finite: bool
    constant: bool
    """The result has one value everywhere although the source has not."""
    unchanged: bool
    """The result equals the source in every pixel although the source is not constant."""
    classes: Mapping[str, ClassFigures] = field(default_factory=dict)
    source_range: tuple[float, float] = (0.0, 0.0)
    """1st and 99th percentile of the source's block means; (0, 0) if there are none."""
    noise_removed: float = 0.0
    """1.4826 times the median absolute deviation of result minus source, in the source's quantity."""
    noise_ratio: float | None = None
    """Deviation of pixels from their block's mean in soft (bright) tissue, result over source."""
    edge_moments: tuple[float, ...] = (0.0,) * 6
    """Count and sums x, y, xx, yy, xy of source gradient x and size of the change y over the blocks."""


def shift_figure(name: str, quantity: Quantity) -> str:
    """Of the tissue of that name."""
    unit = "hu" if quantity == "hounsfield_units" else "percent"
    return f"mean_shift_{name.replace(' ', '_')}_{unit}"


def mean_shift(parts: Iterable[ClassFigures], quantity: Quantity) -> float:
    """Result minus source: in HU, or in percent of the source's mean."""
    total = list(parts)
    shift = sum(part.shift_sum for part in total)
    if quantity == "hounsfield_units":
        return shift / sum(part.blocks for part in total)
    return 100.0 * shift / max(sum(part.source_sum for part in total), 1e-12)


def measure(result: SliceResult) -> SliceFigures:
    """The figures that any slice has, however small or broken."""
    source, values = result.source.values, result.values
    finite, varies = _finite(values), _varies(source)
    return SliceFigures(
        index=result.index,
        finite=finite,
        constant=finite and varies and not _varies(values),
        unchanged=varies and _same(values, source),
    )


def with_tissues(plain: SliceFigures, blocks: SliceBlocks, quantity: Quantity) -> SliceFigures:
    """The same with those that take 3 x 3 blocks."""
    names, numbers = _tissues(blocks, quantity)
    noise_in = "soft tissue" if quantity == "hounsfield_units" else "bright tissue"
    return replace(
        plain,
        classes=_classes(blocks, names, numbers),
        source_range=_source_range(blocks),
        noise_removed=_noise_removed(blocks),
        noise_ratio=_noise_ratio(blocks, numbers == names.index(noise_in) + 1),
        edge_moments=_edge_moments(blocks),
    )


def _finite(values: Values) -> bool:
    """A sum is no number if one of its terms is none, or if they are beyond all measure."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _varies(values: Values) -> bool:
    """The middle row nearly always settles it."""
    first = values[0, 0]
    return bool((values[len(values) // 2] != first).any() or (values != first).any())


def _same(values: Values, others: Values) -> bool:
    middle = len(values) // 2
    return np.array_equal(values[middle], others[middle]) and np.array_equal(values, others)


def _tissues(blocks: SliceBlocks, quantity: Quantity) -> tuple[list[str], NDArray[np.intp]]:
    """Names, and for each block the number of its tissue in them from 1, 0 for none."""
    ranges, unit = HOUNSFIELD_CLASSES, 1.0
    if quantity != "hounsfield_units":
        ranges, unit = SIGNAL_CLASSES, float(np.percentile(blocks.smooth, 99))
    numbers = np.zeros(blocks.smooth.shape, np.intp)
    for number, (lower, upper) in enumerate(ranges.values(), start=1):
        inside = (blocks.smooth >= lower * unit) & (blocks.smooth < upper * unit)
        np.copyto(numbers, number, where=inside & blocks.measured)
    return list(ranges), numbers


def _classes(blocks: SliceBlocks, names: list[str], numbers: NDArray[np.intp]) -> dict[str, ClassFigures]:
    counts, source, shift, at_floor = (
        np.bincount(numbers.ravel(), weights, minlength=len(names) + 1)
        for weights in (None, blocks.source.ravel(), blocks.shift.ravel(), blocks.at_floor.ravel())
    )
    return {
        name: ClassFigures(int(counts[number]), float(source[number]), float(shift[number]))
        for number, name in enumerate(names, start=1)
        if counts[number] and at_floor[number] <= CUT_OFF * counts[number]
    }


def _noise_ratio(blocks: SliceBlocks, inside: NDArray[np.bool_]) -> float | None:
    """None where there is too little of the tissue, or no noise."""
    if np.count_nonzero(inside) < LEAST_NOISE_BLOCKS:
        return None
    source, result = blocks.source[inside], (blocks.source + blocks.shift)[inside]
    before = middle(np.abs(blocks.source_pixel[inside] - source))
    after = middle(np.abs(blocks.result_pixel[inside] - result))
    return after / before if before > 0 else None


def _source_range(blocks: SliceBlocks) -> tuple[float, float]:
    """Every second block of every second row is enough."""
    lower, upper = np.percentile(blocks.source[::2, ::2], (1, 99))
    return float(lower), float(upper)


def _noise_removed(blocks: SliceBlocks) -> float:
    """Half of the rows are enough for a median."""
    change = (blocks.result_pixel - blocks.source_pixel)[::2][blocks.measured[::2]]
    if not change.size:
        return 0.0
    return 1.4826 * middle(np.abs(change - np.float32(middle(change))))


def _edge_moments(blocks: SliceBlocks) -> tuple[float, ...]:
    """Sums of products rather than dot products: BLAS would wake threads that fight with the inference."""
    x = blocks.gradient[blocks.measured].astype(np.float64)
    y = np.abs(blocks.shift)[blocks.measured].astype(np.float64)
    return (float(x.size), *(float(values.sum()) for values in (x, y, x * x, y * y, x * y)))


def correlation_of(count: float, x: float, y: float, xx: float, yy: float, xy: float) -> float:
    """Pearson's correlation from sums; 0 where either does not vary."""
    if count == 0:
        return 0.0
    variances = (xx - x * x / count) * (yy - y * y / count)
    return (xy - x * y / count) / sqrt(variances) if variances > 0 else 0.0
