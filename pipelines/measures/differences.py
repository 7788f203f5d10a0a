"""How far an image lies from its reference, in its own unit, within a mask."""

from __future__ import annotations

from math import log10, sqrt

import numpy as np

from pipelines.measures.regions import Image, Mask

LEAST_SQUARED_ERROR = 1e-12
"""Of the window's width squared: identical images get 120 dB, not infinity."""


def rmse(image: Image, reference: Image, mask: Mask) -> float:
    """Root of the mean squared difference."""
    difference = image[mask].astype(np.float64) - reference[mask]
    return sqrt(float(np.mean(difference**2)))


def mean_absolute_error(image: Image, reference: Image, mask: Mask) -> float:
    return float(np.mean(np.abs(image[mask].astype(np.float64) - reference[mask])))


def mean_difference(image: Image, reference: Image, mask: Mask) -> float:
    """Image minus reference."""
    return float(np.mean(image[mask].astype(np.float64) - reference[mask]))


def psnr_db(image: Image, reference: Image, mask: Mask, window: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio: both images clipped to the window, whose width is the peak."""
    low, high = window
    a, b = (np.clip(each[mask].astype(np.float64), low, high) for each in (image, reference))
    squared = float(np.mean((a - b) ** 2)) / (high - low) ** 2
    return -10.0 * log10(max(squared, LEAST_SQUARED_ERROR))
