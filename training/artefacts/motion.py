"""Motion drawn into a slice: parts of the Fourier plane belong to a body that has moved meanwhile.

CT: each direction of the plane is one view (central slice theorem, parallel beam), so a course of shifts over
180 degrees gives streaks and double contours. MR: each line of the plane is one phase encoding, so it gives
ghosts (Hedley and Yan 1992). The courses are others than those that `bench.planted_faults` draws.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

Values = NDArray[np.float32]
Course = NDArray[np.float64]
"""Position over time, at most 1 in size."""

LOCAL_SHARE = 0.35
"""Of the CT cases: only a part of the body moves, as heart and chest wall do."""
CENTRE = 0.03
"""Cycles a pixel around the middle of k-space that are acquired at rest, or the image itself moves."""


def moved_ct(source: Values, pixels: float, chance: np.random.Generator) -> Values:
    """(rows, columns) in HU with a translation of up to `pixels` during the scan."""
    floor = np.float32(-1000)
    rows, columns = _frequencies(source.shape)
    turn = np.mod(np.arctan2(rows, columns), np.pi) / np.pi
    start = chance.uniform()
    when = np.mod(turn + start, 1)
    moved = _shifted(source - floor, pixels * course(when, chance), rows, columns, chance)
    moved = np.maximum(moved.real + floor, -1024).astype(np.float32)
    if chance.uniform() < LOCAL_SHARE:
        share = _region(source.shape, chance)
        moved = source + share * (moved - source)
    return moved


def moved_mr(source: Values, pixels: float, chance: np.random.Generator) -> Values:
    """(rows, columns) of magnitudes with a translation of up to `pixels` between phase encodings."""
    rows, columns = _frequencies(source.shape)
    lines = rows if chance.uniform() < 0.5 else columns
    order = lines + 0.5
    if chance.uniform() < 0.3:
        order = np.mod(order * float(chance.integers(2, 9)), 1)
    path = np.where(np.abs(lines) < CENTRE, 0, course(order, chance))
    moved = _shifted(source, pixels * path, rows, columns, chance)
    return np.abs(moved).astype(np.float32)


def course(when: Course, chance: np.random.Generator) -> Course:
    """At each time from 0 to 1: a jerk, a drift, breathing, or restlessness."""
    kind = chance.integers(4)
    if kind == 0:
        begins, ends = np.sort(chance.uniform(0, 1, 2))
        path = ((when > begins) & (when < ends + 0.15)).astype(float)
    elif kind == 1:
        begins = chance.uniform(0, 0.7)
        path = np.clip((when - begins) / chance.uniform(0.1, 1 - begins), 0, 1)
    elif kind == 2:
        path = np.sin(2 * np.pi * (chance.uniform(0.6, 6) * when + chance.uniform()))
    else:
        knots = chance.integers(5, 33)
        path = np.interp(when, np.linspace(0, 1, knots), chance.normal(size=knots))
    largest = np.abs(path).max()
    return path / largest if largest > 0 else path


def _frequencies(shape: tuple[int, ...]) -> tuple[Course, Course]:
    """Cycles a pixel along the rows' axis, (rows, 1), and the columns', (1, columns)."""
    rows, columns = (np.fft.fftfreq(side).astype(np.float64) for side in shape)
    return rows[:, np.newaxis], columns[np.newaxis]


def _shifted(
    values: Values, path: Course, rows: Course, columns: Course, chance: np.random.Generator
) -> NDArray[np.complex64]:
    """Back from the Fourier plane after a phase of `path` pixels in one direction."""
    direction = chance.uniform(0, 2 * np.pi)
    phase = path * (np.cos(direction) * rows + np.sin(direction) * columns)
    spectrum = scipy.fft.fft2(values) * np.exp(-2j * np.pi * phase).astype(np.complex64)
    moved: NDArray[np.complex64] = scipy.fft.ifft2(spectrum)
    return moved


def _region(shape: tuple[int, ...], chance: np.random.Generator) -> Values:
    """1 in some third to two thirds of the slice, 0 elsewhere, soft in between."""
    coarse = ndimage.gaussian_filter(chance.normal(size=(16, 16)), 3)
    wide = ndimage.zoom(coarse, (shape[0] / 16, shape[1] / 16), order=1)
    edge = np.quantile(wide, chance.uniform(0.3, 0.7))
    share: Values = np.clip((wide - edge) / (0.5 * wide.std()) + 0.5, 0, 1).astype(np.float32)
    return share
