"""Radiomic features by the definitions of the IBSI (Zwanenburg et al. 2020, arXiv 1612.07003 v11).

First-order statistics and grey level co-occurrence of a slice: two-dimensional, of each direction, averaged
("2D, averaged"; what pyradiomics gives of a single slice with force2D). Held against the published values of
the IBSI's digital phantom in the tests. pyradiomics itself does not build with this Python.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from skimage.feature import graycomatrix

from pipelines.measures.regions import Image, Mask

Levels = NDArray[np.uint8]
Values = NDArray[np.float64]
DIRECTIONS = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
MOST_LEVELS = 254


def discretised(image: Image, window: tuple[float, float], bin_width: float) -> Levels:
    """Levels from 1 of a fixed bin size, values clipped to the window first (IBSI 2.7).

    Raises ValueError for more than 254 levels.
    """
    low, high = window
    count = int(np.ceil((high - low) / bin_width))
    if count > MOST_LEVELS:
        raise ValueError(f"{count} grey levels; the bin width {bin_width:g} is too small for {window}")
    levels = np.floor((np.clip(image, low, high) - low) / bin_width) + 1
    limited: Levels = np.minimum(levels, count).astype(np.uint8)
    return limited


def first_order(levels: NDArray[np.floating] | Levels) -> dict[str, float]:
    """Of the values within a mask, any shape: IBSI 3.3 and 3.4.

    Kurtosis is excess; variance is without bias correction; entropy in bits.
    """
    values = levels.astype(np.float64).ravel()
    mean, variance = float(values.mean()), float(values.var())
    share = np.unique(values, return_counts=True)[1] / values.size
    deviation = max(variance, 1e-12) ** 0.5
    return {
        "mean": mean,
        "variance": variance,
        "skewness": float(((values - mean) ** 3).mean() / deviation**3),
        "kurtosis": float(((values - mean) ** 4).mean() / deviation**4) - 3.0,
        "10th percentile": float(np.percentile(values, 10, method="inverted_cdf")),
        "90th percentile": float(np.percentile(values, 90, method="inverted_cdf")),
        "entropy": float(-(share * np.log2(share)).sum()),
        "uniformity": float((share**2).sum()),
    }


def co_occurrence(levels: Levels, mask: Mask) -> Values:
    """(levels, levels, directions): symmetric counts of neighbours at distance 1, both within the mask."""
    inside = np.where(mask, levels, 0).astype(np.uint8)
    count = int(inside.max()) + 1
    counts = graycomatrix(inside, [1], list(DIRECTIONS), levels=count, symmetric=True)  # type: ignore[no-untyped-call]
    within: Values = counts[1:, 1:, 0, :].astype(np.float64)
    return within


def co_occurrence_features(levels: Levels, mask: Mask) -> dict[str, float]:
    """Means over directions that have any neighbours (IBSI 3.6); empty where none has."""
    counts = co_occurrence(levels, mask)
    totals = counts.sum(axis=(0, 1))
    each = [_of_direction(counts[..., place] / total) for place, total in enumerate(totals) if total > 0]
    return mean_of(each)


def mean_of(each: list[dict[str, float]]) -> dict[str, float]:
    """Feature by feature."""
    return {name: float(np.mean([features[name] for features in each])) for name in each[0]} if each else {}


def _of_direction(joint: Values) -> dict[str, float]:
    i, j = np.indices(joint.shape) + 1.0
    mean = float((i * joint).sum())
    variance = float(((i - mean) ** 2 * joint).sum())
    some = joint[joint > 0]
    covariance = float(((i - mean) * (j - mean) * joint).sum())
    return {
        "joint average": mean,
        "joint entropy": float(-(some * np.log2(some)).sum()),
        "angular second moment": float((joint**2).sum()),
        "contrast": float(((i - j) ** 2 * joint).sum()),
        "inverse difference": float((joint / (1 + np.abs(i - j))).sum()),
        "inverse difference moment": float((joint / (1 + (i - j) ** 2)).sum()),
        "correlation": covariance / variance if variance > 0 else 1.0,
    }


def slice_features(
    image: Image, mask: Mask, window: tuple[float, float], bin_width: float
) -> Mapping[str, float]:
    """All features of a slice by name."""
    levels = discretised(image, window, bin_width)
    within = np.clip(image[mask].astype(np.float64), *window)
    order = first_order(within)
    order |= {name: first_order(levels[mask])[name] for name in ("entropy", "uniformity")}
    return {**order, **co_occurrence_features(levels, mask)}
