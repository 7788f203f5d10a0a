"""Scanned Fourier ring correlation (sFRC): in which patches do two images not agree?

After Kc, Zeng, Soni and Badano (arXiv 2603.04673). Patch by patch, the two images' Fourier coefficients are
correlated over rings of equal spatial frequency (Saxton and Baumeister 1982; van Heel 1987); the frequency
where that correlation first falls below a threshold says down to which size of detail the patch is common to
both. A patch where it falls too early is a candidate for something removed or invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

PATCH = 64
"""Side of a patch in pixels, as in the paper's CT study."""
THRESHOLD = 0.5
"""Correlation below which a ring does not agree, as in the paper."""
TOGETHER = 32
"""Patches of 64 x 64 whose spectra still lie in the processor's cache when they are summed up."""

Values = NDArray[np.float32]
Places = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Rings:
    """Which coefficients of a real spectrum belong to which ring, up to the Nyquist frequency."""

    order: NDArray[np.intp]
    """Places in the flattened spectrum, ring by ring."""
    starts: NDArray[np.intp]
    """Where each ring begins in `order`."""
    weights: Values
    """2 where the other half of the spectrum has the same coefficient again, else 1; in `order`."""

    @property
    def count(self) -> int:
        return len(self.starts)


@dataclass(frozen=True)
class ScannedCorrelation:
    """One curve a patch."""

    places: NDArray[np.intp]
    """(patches, 2): first row and column of each."""
    curves: Values
    """(patches, rings): correlation from -1 to 1; ring k lies at k / side cycles a pixel, from k = 1."""
    side: int
    """Of a patch, in pixels."""

    def crossings(self, threshold: float = THRESHOLD) -> Values:
        """(patches,): where each curve first goes below the threshold, in cycles a pixel.

        Interpolated between rings; 0.5, the Nyquist frequency, where it never does.
        """
        below = self.curves < threshold
        first = np.where(below.any(1), below.argmax(1), self.curves.shape[1])
        found = np.full(len(first), 0.5, np.float32)
        some = np.flatnonzero(first < self.curves.shape[1])
        after = self.curves[some, first[some]]
        before = np.where(first[some] > 0, self.curves[some, np.maximum(first[some] - 1, 0)], 1.0)
        share = (before - threshold) / np.maximum(before - after, 1e-6)
        found[some] = (first[some] + np.clip(share, 0, 1)) / self.side
        return found

    def candidates(self, lowest_crossing: float, threshold: float = THRESHOLD) -> NDArray[np.bool_]:
        """(patches,): True where the curve crosses before `lowest_crossing` cycles a pixel (x_ht)."""
        return self.crossings(threshold) < lowest_crossing


def scan(
    image: Values, reference: Values, side: int = PATCH, step: int | None = None, floor: float = 0.0
) -> ScannedCorrelation:
    """Both (rows, columns), alike in size; patches where the reference hardly varies are passed over.

    `step` is from patch to patch, half a patch if not given; `floor` the least standard deviation, in the
    image's unit, that a patch of the reference must have.
    """
    places = patch_places(reference, side, step or side // 2, floor)
    return correlate(image, reference, places, side)


def patch_places(reference: Values, side: int, step: int, floor: float) -> list[tuple[int, int]]:
    """First row and column of each whole patch that shows something."""
    rows, columns = reference.shape
    return [
        (row, column)
        for row in range(0, rows - side + 1, step)
        for column in range(0, columns - side + 1, step)
        if float(reference[row : row + side : 2, column : column + side : 2].std()) > floor
    ]


def correlate(image: Values, reference: Values, places: Places, side: int = PATCH) -> ScannedCorrelation:
    """The curves of the patches at `places`, each less its mean and under a Hann window."""
    rings = rings_of(side)
    if not places:
        empty = np.zeros((0, rings.count), np.float32)
        return ScannedCorrelation(np.zeros((0, 2), np.intp), empty, side)
    groups = [places[begin : begin + TOGETHER] for begin in range(0, len(places), TOGETHER)]
    curves = np.concatenate([_curves(image, reference, group, side) for group in groups])
    return ScannedCorrelation(np.array(places, np.intp), curves, side)


def _curves(image: Values, reference: Values, places: Places, side: int) -> Values:
    """(patches, rings)."""
    rings = rings_of(side)
    one, two = (_spectra(values, places, side)[:, rings.order] for values in (image, reference))
    cross = one.real * two.real + one.imag * two.imag
    power = [part.real**2 + part.imag**2 for part in (one, two)]
    sums = [np.add.reduceat(part * rings.weights, rings.starts, axis=1) for part in (cross, *power)]
    curves: Values = (sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))).astype(np.float32)
    return curves


@lru_cache(maxsize=8)
def rings_of(side: int) -> Rings:
    """Rings of one coefficient's width, from 1 to side / 2 cycles a patch."""
    by_row, by_column = np.fft.fftfreq(side, 1 / side)[:, np.newaxis], np.fft.rfftfreq(side, 1 / side)
    ring = np.rint(np.hypot(by_row, by_column)).astype(np.intp).ravel()
    order = np.argsort(ring, kind="stable")
    order = order[(ring[order] >= 1) & (ring[order] <= side // 2)]
    _, starts = np.unique(ring[order], return_index=True)
    twice = (by_column > 0) & (by_column < side / 2)
    weights = np.where(np.broadcast_to(twice, (side, side // 2 + 1)).ravel()[order], 2, 1)
    return Rings(order, starts, weights.astype(np.float32))


def _spectra(values: Values, places: Places, side: int) -> NDArray[np.complex64]:
    """(patches, coefficients); SciPy transforms several patches at once, ten times as fast as NumPy."""
    patches = np.stack([values[row : row + side, column : column + side] for row, column in places])
    patches -= patches.mean((1, 2), keepdims=True)
    patches *= _hann(side)
    spectra: NDArray[np.complex64] = scipy.fft.rfft2(patches).reshape(len(places), -1)
    return spectra


@lru_cache(maxsize=8)
def _hann(side: int) -> Values:
    window = np.hanning(side + 1)[:-1]
    return np.outer(window, window).astype(np.float32)
