"""How much noise an image holds, when nobody knows the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

SQUARE_MM = 8.0
LEAST_PIXELS = 50
BINS = 40
SMOOTHED_BINS = 2.0


def noise_level(image: Image, mask: Mask, spacing_mm: float) -> float:
    """Most frequent local deviation within `mask`, in its unit: structure lies above it, seldom below.

    Deviation in squares of 8 mm, the peak of their smoothed histogram (global noise level, Christianson et
    al. 2015). 0 where the mask is too small to tell.
    """
    side = max(3, round(SQUARE_MM / spacing_mm))
    inside = ndimage.binary_erosion(mask, iterations=max(1, side // 2))
    if np.count_nonzero(inside) < LEAST_PIXELS:
        return 0.0
    values = image.astype(np.float64)
    mean = ndimage.uniform_filter(values, side)
    variance = ndimage.uniform_filter(values**2, side) - mean**2
    return histogram_peak(np.sqrt(np.maximum(variance[inside], 0.0)))


def histogram_peak(values: NDArray[np.float32] | NDArray[np.float64]) -> float:
    """The mode of values that have a long tail above: what lies over their 60th percentile is left out."""
    low, high = np.percentile(values, [0.5, 60.0])
    if high <= low:
        return float(low)
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    peak = int(np.argmax(ndimage.gaussian_filter1d(counts.astype(np.float64), SMOOTHED_BINS)))
    return float(edges[peak] + edges[peak + 1]) / 2
