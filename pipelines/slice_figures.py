"""What the gate measures on one slice: a few numbers, from means over blocks of 4 x 4 pixels.

Blocks keep the cost to a fraction of a millisecond, and averaging keeps noise out of the tissue classes:
a class is read from the source's mean over 3 x 3 blocks, so hardly any pixel changes class by its noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import Quantity, SliceResult

BLOCK = 4
"""Side of a block in pixels."""

HOUNSFIELD_CLASSES: Mapping[str, tuple[float, float]] = {
    "air": (-2000.0, -930.0),
    "lung": (-900.0, -500.0),
    "fat": (-140.0, -40.0),
    "soft tissue": (-10.0, 110.0),
    "bone": (250.0, 3000.0),
}
"""Half-open ranges with room between them, so that edges and mixtures fall in none."""

SIGNAL_CLASSES: Mapping[str, tuple[float, float]] = {"dark tissue": (0.15, 0.5), "bright tissue": (0.5, 1.5)}
"""In MR: fractions of the slice's 99th percentile, below which lies background."""

Blocks = NDArray[np.float32]
Mask = NDArray[np.bool_]


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
    classes: Mapping[str, ClassFigures]
    source_range: tuple[float, float]
    """1st and 99th percentile of the source's block means; (0, 0) if there are none."""
    noise_removed: float
    """1.4826 times the median absolute deviation of result minus source, in the source's quantity."""
    noise_ratio: float | None
    """Deviation of pixels from their block's mean in soft (bright) tissue, result over source."""
    edge_moments: tuple[float, ...]
    """Count and sums x, y, xx, yy, xy of source gradient x and size of the change y over the blocks."""


def measure(result: SliceResult, quantity: Quantity) -> SliceFigures:
    """The figures of one slice; one too small for 3 x 3 blocks has no classes."""
    source, values = result.source.values, result.values
    finite = bool(np.isfinite(values).all())
    varies = _varies(source)
    blocks = _Blocks.of(result) if finite and min(source.shape) >= 3 * BLOCK else None
    return SliceFigures(
        index=result.index,
        finite=finite,
        constant=finite and varies and not _varies(values),
        unchanged=varies and _same(values, source),
        classes=_classes(blocks, quantity) if blocks else {},
        source_range=_source_range(blocks) if blocks else (0.0, 0.0),
        noise_removed=_noise_removed(blocks) if blocks else 0.0,
        noise_ratio=_noise_ratio(blocks, quantity) if blocks else None,
        edge_moments=_edge_moments(blocks) if blocks else (0.0,) * 6,
    )


@dataclass(frozen=True)
class _Blocks:
    """One slice by its blocks: means, and one pixel of each, for medians."""

    smooth: Blocks
    """Source, mean over 3 x 3 blocks."""
    source: Blocks
    shift: Blocks
    """Result minus source."""
    source_pixel: Blocks
    result_pixel: Blocks
    floor: float
    """The lowest source value of the slice."""
    measured: Mask
    """False where a block holds a padded pixel, or nothing but the lowest value."""

    @classmethod
    def of(cls, result: SliceResult) -> _Blocks:
        source, floor = block_means(result.source.values), float(result.source.values.min())
        rows, columns = source.shape
        sample = (slice(1, rows * BLOCK, BLOCK), slice(1, columns * BLOCK, BLOCK))
        return cls(
            smooth=_mean_of_neighbours(source),
            source=source,
            shift=block_means(result.values) - source,
            source_pixel=result.source.values[sample],
            result_pixel=result.values[sample],
            floor=floor,
            measured=_measured(result, source, floor),
        )

    def within(self, bounds: tuple[float, float], quantity: Quantity) -> Mask:
        """Measured blocks of one class; in MR the bounds are fractions of the 99th percentile."""
        unit = 1.0 if quantity == "hounsfield_units" else self.high
        inside: Mask = (self.smooth >= bounds[0] * unit) & (self.smooth < bounds[1] * unit)
        return inside & self.measured

    @cached_property
    def high(self) -> float:
        return float(np.percentile(self.smooth, 99))


def block_means(values: NDArray[np.float32]) -> Blocks:
    """Means over whole blocks of (rows, columns); what does not fill a block at the far edges is left out."""
    rows, columns = (side - side % BLOCK for side in values.shape)
    whole = values[:rows, :columns]
    by_row = whole[0::BLOCK] + whole[1::BLOCK] + whole[2::BLOCK] + whole[3::BLOCK]
    sums = by_row[:, 0::BLOCK] + by_row[:, 1::BLOCK] + by_row[:, 2::BLOCK] + by_row[:, 3::BLOCK]
    means: Blocks = sums / np.float32(BLOCK * BLOCK)
    return means


def _measured(result: SliceResult, source: Blocks, floor: float) -> Mask:
    above_floor: Mask = source > floor
    if result.source.padding is None:
        return above_floor
    above_floor &= block_means(result.source.padding.astype(np.float32)) == 0
    return above_floor


def _varies(values: NDArray[np.float32]) -> bool:
    """The middle row nearly always settles it."""
    first = values[0, 0]
    return bool((values[len(values) // 2] != first).any() or (values != first).any())


def _same(values: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    middle = len(values) // 2
    return np.array_equal(values[middle], others[middle]) and np.array_equal(values, others)


def _mean_of_neighbours(blocks: Blocks) -> Blocks:
    padded = np.pad(blocks, 1, mode="edge")
    by_row = padded[:-2] + padded[1:-1] + padded[2:]
    means: Blocks = (by_row[:, :-2] + by_row[:, 1:-1] + by_row[:, 2:]) / np.float32(9)
    return means


def _gradient(blocks: Blocks) -> Blocks:
    along_rows, along_columns = np.gradient(blocks)
    size: Blocks = np.sqrt(along_rows**2 + along_columns**2)
    return size


def _classes(blocks: _Blocks, quantity: Quantity) -> dict[str, ClassFigures]:
    ranges = HOUNSFIELD_CLASSES if quantity == "hounsfield_units" else SIGNAL_CLASSES
    found = {}
    for name, bounds in ranges.items():
        inside = blocks.within(bounds, quantity)
        count = int(np.count_nonzero(inside))
        if count and not _cut_off(blocks, inside):
            sums = (float(blocks.source[inside].sum()), float(blocks.shift[inside].sum()))
            found[name] = ClassFigures(count, *sums)
    return found


def _source_range(blocks: _Blocks) -> tuple[float, float]:
    """Every second block of every second row is enough."""
    lower, upper = np.percentile(blocks.source[::2, ::2], (1, 99))
    return float(lower), float(upper)


def _noise_ratio(blocks: _Blocks, quantity: Quantity) -> float | None:
    """None where there is too little of the tissue, or no noise."""
    in_hu = quantity == "hounsfield_units"
    inside = blocks.within(
        HOUNSFIELD_CLASSES["soft tissue"] if in_hu else SIGNAL_CLASSES["bright tissue"], quantity
    )
    if np.count_nonzero(inside) < 100:
        return None
    source, result = blocks.source[inside], (blocks.source + blocks.shift)[inside]
    before = float(np.median(np.abs(blocks.source_pixel[inside] - source)))
    after = float(np.median(np.abs(blocks.result_pixel[inside] - result)))
    return after / before if before > 0 else None


def _cut_off(blocks: _Blocks, inside: Mask) -> bool:
    """Scanners cut noise off at the lowest value they store, which lifts a class's mean: 0.5 HU at 5 %."""
    at_floor = np.count_nonzero(blocks.source_pixel[inside] <= blocks.floor)
    return bool(at_floor > 0.05 * np.count_nonzero(inside))


def _noise_removed(blocks: _Blocks) -> float:
    """Half of the rows are enough for a median."""
    change = (blocks.result_pixel - blocks.source_pixel)[::2][blocks.measured[::2]]
    if not change.size:
        return 0.0
    return 1.4826 * float(np.median(np.abs(change - np.median(change))))


def _edge_moments(blocks: _Blocks) -> tuple[float, ...]:
    """Sums of products rather than dot products: BLAS would wake threads that fight with the inference."""
    x = _gradient(blocks.smooth)[blocks.measured].astype(np.float64)
    y = np.abs(blocks.shift)[blocks.measured].astype(np.float64)
    return (float(x.size), *(float(values.sum()) for values in (x, y, x * x, y * y, x * y)))
