"""Noise power spectra of flat squares (IEC 61223-3-5, ICRU Report 87)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

Values = NDArray[np.float64]
SMOOTHED_RINGS = 1.0


@dataclass(frozen=True)
class NoisePower:
    """A radially averaged spectrum."""

    frequency_per_mm: Values
    power: Values
    """Squared unit of the image times mm squared."""

    @property
    def peak_per_mm(self) -> float:
        """Frequency of the highest power, after a Gaussian of one ring."""
        smooth = ndimage.gaussian_filter1d(self.power, SMOOTHED_RINGS)
        return float(self.frequency_per_mm[int(np.argmax(smooth))])

    @property
    def mean_per_mm(self) -> float:
        """Mean frequency of the two-dimensional spectrum: steadier than its peak."""
        weight = self.power * self.frequency_per_mm
        return float((weight * self.frequency_per_mm).sum() / weight.sum())


def flat_squares(reference: Image, inside: Mask, side: int, limit: float, most: int) -> list[tuple[int, int]]:
    """First row and column of squares within a mask where the reference hardly changes.

    Flatness is the deviation of the reference after a Gaussian of 2 pixels, which leaves structure and little
    noise; those above `limit` (the image's unit) are left out, of the others the flattest `most` are taken.
    """
    smooth = ndimage.gaussian_filter(reference.astype(np.float64), 2.0)
    found = []
    for row in range(0, reference.shape[0] - side + 1, side // 2):
        for column in range(0, reference.shape[1] - side + 1, side // 2):
            square = np.s_[row : row + side, column : column + side]
            if inside[square].all():
                found.append((float(smooth[square].std()), row, column))
    flat = sorted(entry for entry in found if entry[0] <= limit)
    return [(row, column) for _, row, column in flat[:most]]


def power_of(image: Image, places: Sequence[tuple[int, int]], side: int) -> Values:
    """(side, side): sum over squares of the squared size of their spectra, each less its quadratic fit."""
    total = np.zeros((side, side))
    for row, column in places:
        square = image[row : row + side, column : column + side].astype(np.float64)
        total += np.abs(np.fft.fft2(detrended(square))) ** 2
    return total


def radial(power: Values, squares: int, spacing_mm: float) -> NoisePower:
    """Of the summed power of so many squares; rings from 1 to side / 2 - 1 cycles a square."""
    side = power.shape[0]
    scaled = power * spacing_mm**2 / side**2 / squares
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))) * side
    ring = np.rint(frequency).astype(int)
    rings = np.arange(1, side // 2)
    return NoisePower(rings / side / spacing_mm, np.array([scaled[ring == each].mean() for each in rings]))


def detrended(square: Values) -> Values:
    """Less its best-fitting quadratic surface."""
    terms, inverse = _quadratic(square.shape[0])
    flat: Values = (square.ravel() - terms @ (inverse @ square.ravel())).reshape(square.shape)
    return flat


@lru_cache(maxsize=8)
def _quadratic(side: int) -> tuple[Values, Values]:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    return terms, np.linalg.pinv(terms)
