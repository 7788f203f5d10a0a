"""A slice as the VAE sees it: small, square, in two fixed ranges of grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import Quantity

SIDE = 128
WIDE_HU = (-1024.0, 1024.0)
SOFT_HU = (-160.0, 240.0)
SIGNAL_PERCENTILE = 99.5

Values = NDArray[np.float32]


def thumbnail(values: Values, quantity: Quantity) -> Values:
    """(2, 128, 128) from 0 to 1, of (rows, columns) values in `quantity`.

    CT: the whole range, and a soft-tissue window. MR: signal over its 99.5th percentile, and the root of it,
    which shows the dark parts. Slices that are no square get background on two sides.
    """
    if quantity == "hounsfield_units":
        small = shrunk(values, WIDE_HU[0])
        return np.stack([_grey(small, *WIDE_HU), _grey(small, *SOFT_HU)])
    small = np.maximum(shrunk(values, 0.0), 0)
    signal = _grey(small, 0.0, max(float(np.percentile(small, SIGNAL_PERCENTILE)), 1e-12))
    return np.stack([signal, np.sqrt(signal)])


def shrunk(values: Values, background: float) -> Values:
    """(128, 128) means of the parts of a square around the slice; a small slice has its pixels repeated."""
    side = max(values.shape)
    small = _means(_means(_squared(values, background, side), 0, side), 1, side)
    return np.maximum(small, np.float32(background))


def _squared(values: Values, background: float, side: int) -> Values:
    if values.shape == (side, side):
        return values
    before = [(side - length) // 2 for length in values.shape]
    after = [side - length - first for length, first in zip(values.shape, before, strict=True)]
    return np.pad(values, list(zip(before, after, strict=True)), constant_values=np.float32(background))


def _means(values: Values, axis: int, side: int) -> Values:
    starts = np.arange(SIDE) * side // SIDE
    counts = np.maximum(np.diff(np.append(starts, side)), 1).astype(np.float32)
    sums = np.add.reduceat(values, starts, axis)
    return (sums / (counts[:, np.newaxis] if axis == 0 else counts)).astype(np.float32, copy=False)


def _grey(values: Values, low: float, high: float) -> Values:
    grey: Values = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return grey
