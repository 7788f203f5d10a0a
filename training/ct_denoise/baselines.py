"""Baselines given every advantage: the true added noise level, and the best of several strengths per case."""

from __future__ import annotations

import numpy as np
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from .measures import Mask, rmse
from .projection import FloatArray

NON_LOCAL_STRENGTHS = (0.45, 0.7, 1.0)  # h, in units of the added noise
TOTAL_VARIATION_WEIGHTS = (0.25, 0.45, 0.8)  # in units of the added noise


def non_local_means(noisy: FloatArray, reference: FloatArray, mask: Mask, added_hu: float) -> FloatArray:
    """Non-local means (Buades et al. 2005) told the true added deviation; the h with the least RMSE."""
    tried = [
        denoise_nl_means(
            noisy, patch_size=5, patch_distance=6, h=s * added_hu, sigma=added_hu, fast_mode=True
        )
        for s in NON_LOCAL_STRENGTHS
    ]
    return min(tried, key=lambda image: rmse(image, reference, mask)).astype(np.float32)


def total_variation(noisy: FloatArray, reference: FloatArray, mask: Mask, added_hu: float) -> FloatArray:
    """Total variation (Chambolle 2004); the weight with the least RMSE."""
    tried = [
        denoise_tv_chambolle(noisy, weight=w * added_hu, max_num_iter=100) for w in TOTAL_VARIATION_WEIGHTS
    ]
    return min(tried, key=lambda image: rmse(image, reference, mask)).astype(np.float32)
