"""A stated threshold segmenter for CT, and how far two segmentations overlap."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

THRESHOLDS_HU: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"bone": (200.0, 4000.0), "lung": (-950.0, -500.0), "air in the body": (-2000.0, -950.0)}
)
"""Of the slice after a median of 3 x 3 pixels, within the body."""


def segment(hounsfield_units: Image, body: Mask) -> dict[str, Mask]:
    """Each class of `THRESHOLDS_HU`."""
    smooth = ndimage.median_filter(hounsfield_units, 3)
    return {name: (smooth >= low) & (smooth < high) & body for name, (low, high) in THRESHOLDS_HU.items()}


def dice(first: Mask, second: Mask) -> float:
    """Twice the common part over the sum of both (Dice 1945); 1 for two empty masks."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2.0 * int(np.count_nonzero(first & second)) / total if total else 1.0
