"""One slice by its blocks of 4 x 4 pixels, for measuring it in a fraction of a millisecond.

Averaging keeps noise out of the tissue classes: a class is read from the source's mean over 3 x 3 blocks,
so hardly any pixel changes class by its noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import SliceResult

BLOCK = 4
"""Side of a block in pixels."""
SOFT_TISSUE_HU = (-10.0, 110.0)
"""Of the source's mean over 3 x 3 blocks."""

Blocks = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SliceBlocks:
    """Means of blocks, and one pixel of each, for medians; all (rows // 4, columns // 4)."""

    smooth: Blocks
    """Source, mean over 3 x 3 blocks."""
    source: Blocks
    shift: Blocks
    """Result minus source; 0 where padded."""
    source_pixel: Blocks
    result_pixel: Blocks
    at_floor: Mask
    """Where the source's pixel is the lowest value of the slice."""
    measured: Mask
    """False where a block holds a padded pixel, or nothing but the lowest value."""

    @classmethod
    def of(cls, result: SliceResult) -> SliceBlocks:
        source, floor = block_means(result.source.values), result.source.values.min()
        rows, columns = source.shape
        sample = (slice(1, rows * BLOCK, BLOCK), slice(1, columns * BLOCK, BLOCK))
        source_pixel, unpadded = result.source.values[sample], _unpadded(result.source.padding, source.shape)
        return cls(
            smooth=mean_of_neighbours(source),
            source=source,
            shift=np.where(unpadded, block_means(result.values) - source, np.float32(0)),
            source_pixel=source_pixel,
            result_pixel=result.values[sample],
            at_floor=source_pixel <= floor,
            measured=(source > floor) & unpadded,
        )

    @cached_property
    def gradient(self) -> Blocks:
        """Size of the smoothed source's slope, in values per block."""
        along_rows, along_columns = np.gradient(self.smooth)
        size: Blocks = np.sqrt(along_rows**2 + along_columns**2)
        return size


def block_means(values: NDArray[np.float32]) -> Blocks:
    """Means over whole blocks of (rows, columns); what does not fill a block at the far edges is left out."""
    rows, columns = (side - side % BLOCK for side in values.shape)
    whole = values[:rows, :columns]
    by_row = whole[0::BLOCK] + whole[1::BLOCK] + whole[2::BLOCK] + whole[3::BLOCK]
    sums = by_row[:, 0::BLOCK] + by_row[:, 1::BLOCK] + by_row[:, 2::BLOCK] + by_row[:, 3::BLOCK]
    means: Blocks = sums / np.float32(BLOCK * BLOCK)
    return means


def middle(values: NDArray[np.float32]) -> float:
    """The median of at least one value, none of them NaN; `numpy.median` to the bit, at half its cost."""
    half = values.size // 2
    if values.size % 2:
        return float(np.partition(values, half, axis=None)[half])
    return float(np.partition(values, (half - 1, half), axis=None)[half - 1 : half + 1].mean())


def _unpadded(padding: Mask | None, shape: tuple[int, ...]) -> Mask:
    if padding is None:
        return np.ones(shape, dtype=np.bool_)
    unpadded: Mask = block_means(padding.astype(np.float32)) == 0
    return unpadded


def mean_of_neighbours(blocks: Blocks) -> Blocks:
    padded = np.pad(blocks, 1, mode="edge")
    by_row = padded[:-2] + padded[1:-1] + padded[2:]
    means: Blocks = (by_row[:, :-2] + by_row[:, 1:-1] + by_row[:, 2:]) / np.float32(9)
    return means
