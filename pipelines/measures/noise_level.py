"""How much noise an image holds, when nobody knows the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

SQUARE_MM = 8.0
LEAST_PIXELS = 50


def noise_level(image: Image, mask: Mask, spacing_mm: float) -> float:
    """Most frequent local deviation within `mask`, in its unit: structure lies above it, seldom below.

    Deviation in squares of 8 mm (Christianson et al. 2015's global noise level, with the half-sample mode in
    place of a histogram's peak). 0 where the mask is too small to tell.
    """
    side = max(3, round(SQUARE_MM / spacing_mm))
    inside = ndimage.binary_erosion(mask, iterations=max(1, side // 2))
    if np.count_nonzero(inside) < LEAST_PIXELS:
        return 0.0
    values = image.astype(np.float64)
    mean = ndimage.uniform_filter(values, side)
    variance = ndimage.uniform_filter(values**2, side) - mean**2
    return half_sample_mode(np.sqrt(np.maximum(variance[inside], 0.0)))


def half_sample_mode(values: NDArray[np.float64]) -> float:
    """The mode by halving the densest half again and again (Robertson and Cryer 1974)."""
    ordered = np.sort(values)
    while ordered.size > 3:
        half = (ordered.size + 1) // 2
        widths = ordered[half - 1 :] - ordered[: ordered.size - half + 1]
        start = int(np.argmin(widths))
        ordered = ordered[start : start + half]
    return float(ordered.mean())
