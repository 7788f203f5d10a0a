"""A slice as the VAE sees it: small, square, in two fixed ranges of grey."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import Quantity

SIDE = 128
WIDE_HU = (-1024.0, 1024.0)
SOFT_HU = (-160.0, 240.0)
SIGNAL_PERCENTILE = 99.5
WHOLE = range(1, 9)
"""Pixels of a slice to one of the thumbnail, where it is a whole number, that strides add up faster."""

Values = NDArray[np.float32]


def thumbnail(values: Values, quantity: Quantity, side: int = SIDE) -> Values:
    """(2, side, side) from 0 to 1, of (rows, columns) values in `quantity`.

    CT: the whole range, and a soft-tissue window. MR: signal over its 99.5th percentile, and the root of it,
    which shows the dark parts. Slices that are no square get background on two sides.
    """
    if quantity == "hounsfield_units":
        small = shrunk(values, WIDE_HU[0], side)
        return np.stack([_grey(small, *WIDE_HU), _grey(small, *SOFT_HU)])
    small = np.maximum(shrunk(values, 0.0, side), 0)
    signal = _grey(small, 0.0, max(float(np.percentile(small, SIGNAL_PERCENTILE)), 1e-12))
    return np.stack([signal, np.sqrt(signal)])


def shrunk(values: Values, background: float, side: int = SIDE) -> Values:
    """(side, side) means of the parts of a square around the slice; a small slice has its pixels repeated."""
    small = _means(_means(_squared(values, background, max(values.shape)), 0, side), 1, side)
    return np.maximum(small, np.float32(background))


def _squared(values: Values, background: float, side: int) -> Values:
    if values.shape == (side, side):
        return values
    before = [(side - length) // 2 for length in values.shape]
    after = [side - length - first for length, first in zip(values.shape, before, strict=True)]
    return np.pad(values, list(zip(before, after, strict=True)), constant_values=np.float32(background))


def _means(values: Values, axis: int, side: int) -> Values:
    length = values.shape[axis]
    if length % side == 0 and length // side in WHOLE:
        return _whole_means(values, axis, length // side)
    starts = np.arange(side) * length // side
    counts = np.maximum(np.diff(np.append(starts, length)), 1).astype(np.float32)
    sums = np.add.reduceat(values, starts, axis)
    return (sums / (counts[:, np.newaxis] if axis == 0 else counts)).astype(np.float32, copy=False)


def _whole_means(values: Values, axis: int, count: int) -> Values:
    """What `reduceat` gives, to the bit and in an eighth of the time: the first plus the sum of the rest."""
    first, *rest = (values[start::count] if axis == 0 else values[:, start::count] for start in range(count))
    sums = first + reduce(np.add, rest) if rest else first
    means: Values = sums / np.float32(count)
    return means


def _grey(values: Values, low: float, high: float) -> Values:
    grey: Values = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return grey
