"""Structural similarity: SSIM (Wang et al. 2004) and multi-scale SSIM (Wang, Simoncelli and Bovik 2003).

Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03, population covariance, as in the papers. Images are
clipped to a display window, whose width is the dynamic range, and the map is averaged within a mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

K1, K2 = 0.01, 0.03
SIGMA_PIXELS, TRUNCATE = 1.5, 3.5
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_SIDE = 11
"""Pixels of the coarsest scale: the reach of the Gaussian window."""

Map = NDArray[np.float64]


def ssim_and_ms_ssim(
    image: Image, reference: Image, mask: Mask, window: tuple[float, float]
) -> tuple[float, float]:
    """SSIM and multi-scale SSIM, both averaged within `mask`; 1 for identical images.

    A slice too small for five scales is measured on those that fit, their weights scaled to the sum of one.
    Raises ValueError for an empty mask.
    """
    if not mask.any():
        raise ValueError("the mask is empty")
    (a, b), inside, width = _windowed(image, reference, window), mask, window[1] - window[0]
    single, value, scales = 0.0, 1.0, _scales(min(mask.shape))
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    for scale, weight in enumerate(weights):
        luminance, contrast = _terms(a, b, width)
        single = single if scale else float((luminance * contrast)[inside].mean())
        last = scale == scales - 1
        term = float((luminance * contrast if last else contrast)[inside].mean())
        value *= max(term, 0.0) ** float(weight)
        a, b = _halved(a), _halved(b)
        inside = _halved(inside.astype(np.float64)) >= 0.5
        if not inside.any():
            break
    return single, value


def _windowed(image: Image, reference: Image, window: tuple[float, float]) -> tuple[Map, Map]:
    clipped = (np.clip(each.astype(np.float64), *window) for each in (image, reference))
    return next(clipped), next(clipped)


def _terms(a: Map, b: Map, width: float) -> tuple[Map, Map]:
    """Luminance and contrast-structure of each pixel."""
    c1, c2 = (K1 * width) ** 2, (K2 * width) ** 2
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a**2
    variance_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * covariance + c2) / (variance_a + variance_b + c2)


def _blurred(image: Map) -> Map:
    blurred: Map = ndimage.gaussian_filter(image, SIGMA_PIXELS, truncate=TRUNCATE)
    return blurred


def _halved(image: Map) -> Map:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = (side - side % 2 for side in image.shape)
    whole = image[:rows, :columns]
    halved: Map = whole.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    return halved


def _scales(side: int) -> int:
    return sum(side // 2**scale >= SMALLEST_SIDE for scale in range(len(SCALE_WEIGHTS))) or 1
