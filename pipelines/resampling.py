"""Separable linear interpolation between grids that cover the same field of view."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray


def resample(values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`values` on a grid of `shape` over the same field of view (outer edges coincide, axis by axis).

    Linear interpolation; where the new grid is coarser the triangle is widened to the new spacing, so
    that nothing aliases. A constant stays that constant; beyond the outermost centres values are repeated.
    """
    for axis, length in enumerate(shape):
        if values.shape[axis] != length:
            values = _along(values, axis, length)
    return values


def _along(values: NDArray[np.float32], axis: int, length: int) -> NDArray[np.float32]:
    taps, weights = _taps(values.shape[axis], length)
    spread = (-1, *[1] * (values.ndim - axis - 1))
    result: NDArray[np.float32] = np.take(values, taps[0], axis) * weights[0].reshape(spread)
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        result += np.take(values, tap, axis) * weight.reshape(spread)
    return result


def _taps(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each new place, the old places that count and their weights, both (taps, new)."""
    step = old / new
    reach = max(step, 1.0)
    centres = (np.arange(new) + 0.5) * step - 0.5
    first = np.floor(centres - reach).astype(np.intp) + 1
    places = first + np.arange(2 * ceil(reach))[:, np.newaxis]
    weights = np.maximum(0.0, 1.0 - np.abs(places - centres) / reach)
    weights /= weights.sum(axis=0)
    return np.clip(places, 0, old - 1), weights.astype(np.float32)
