"""What training and its ablations measure on a slice: the body, error, noise power.

Figures that are published come from `orthogen evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .projection import FloatArray

Mask = npt.NDArray[np.bool_]

# Ranges in HU of the smoothed reference; outside-the-body air is told from lung by connection to the border.
TISSUES = {"lung": (-950, -700), "fat": (-130, -70), "soft_tissue": (0, 90), "bone": (250, 1500)}


def body_mask(hu: FloatArray) -> Mask:
    """The body, lungs included: largest connected region above -350 HU, holes filled."""
    labels, count = ndimage.label(
        ndimage.binary_opening(ndimage.gaussian_filter(hu, 1.5) > -350, iterations=3)
    )
    if count == 0:
        return np.zeros(hu.shape, bool)
    sizes = ndimage.sum_labels(np.ones(hu.shape), labels, np.arange(1, count + 1))
    return ndimage.binary_fill_holes(labels == int(np.argmax(sizes)) + 1)


def rmse(image: FloatArray, reference: FloatArray, mask: Mask) -> float:
    """Root mean square difference in HU within a mask."""
    return float(np.sqrt(np.mean((image[mask].astype(float) - reference[mask]) ** 2)))


def radial_power(squares: Sequence[FloatArray], spacing_mm: float) -> tuple[FloatArray, FloatArray]:
    """Noise power spectrum, radially averaged: frequency (cycles/mm) and power (HU^2 mm^2)."""
    width = squares[0].shape[0]
    power = np.zeros((width, width))
    for square in squares:
        power += np.abs(np.fft.fft2(_detrended(square))) ** 2
    power *= spacing_mm**2 / width**2 / len(squares)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(width)))
    ring = np.rint(frequency * width).astype(int)
    rings = np.arange(1, width // 2)
    radial = np.array([power[ring == r].mean() for r in rings])
    return (rings / width / spacing_mm).astype(np.float32), radial.astype(np.float32)


def _detrended(square: FloatArray) -> FloatArray:
    """Minus its best-fitting quadratic surface, as is usual before a noise power spectrum (ICRU 87)."""
    y, x = np.mgrid[-1 : 1 : square.shape[0] * 1j, -1 : 1 : square.shape[1] * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    fit, *_ = np.linalg.lstsq(terms, square.ravel().astype(float), rcond=None)
    return (square.ravel() - terms @ fit).reshape(square.shape)


def peak_frequency(frequency: FloatArray, power: FloatArray) -> float:
    """Frequency (cycles/mm) of the maximum of the smoothed radial noise power."""
    return float(frequency[int(np.argmax(ndimage.gaussian_filter1d(power, 1.5)))])


def mean_noise_frequency(frequency: FloatArray, power: FloatArray) -> float:
    """Power-weighted mean radial frequency (cycles/mm): steadier than the peak."""
    weight = power * frequency
    return float((weight * frequency).sum() / weight.sum())
