"""Spots in an image that its reference does not have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

Values = NDArray[np.float64]
DIAMETER_MM = 6.0
COUNTERPART_PIXELS = 5
"""Side of the neighbourhood in which the reference is searched for the same spot."""
COUNTERPART_SHARE = 0.5


@dataclass(frozen=True)
class BlobCount:
    """Spots of one slice."""

    found: int
    """In the image, whatever the reference shows."""
    from_nothing: int
    """Those whose place in the reference has less than half of their contrast."""


def count_blobs(image: Image, reference: Image, mask: Mask, contrast: float, spacing_mm: float) -> BlobCount:
    """Spots of 6 mm, dark or bright, of at least `contrast` (the image's unit) whose middle is in the mask.

    A spot is a local extremum of the Laplacian of a Gaussian (Lindeberg 1998), its contrast that of the disc
    which would give the same answer.
    """
    sigma = DIAMETER_MM / 2 / np.sqrt(2) / spacing_mm
    mine, theirs = (_disc_contrast(each, sigma) for each in (image, reference))
    found = from_nothing = 0
    for sign in (1.0, -1.0):
        signed = sign * mine
        peak = (signed == ndimage.maximum_filter(signed, max(3, round(2 * sigma)))) & (signed >= contrast)
        counterpart = ndimage.maximum_filter(sign * theirs, COUNTERPART_PIXELS)
        found += int(np.count_nonzero(peak & mask))
        from_nothing += int(np.count_nonzero(peak & mask & (counterpart < COUNTERPART_SHARE * signed)))
    return BlobCount(found, from_nothing)


def _disc_contrast(image: Image, sigma: float) -> Values:
    answer: Values = -ndimage.gaussian_laplace(image.astype(np.float64), sigma) / _unit_answer(sigma)
    return answer


@lru_cache(maxsize=64)
def _unit_answer(sigma: float) -> float:
    """What the middle of a disc of contrast 1 and the matching size answers."""
    reach = int(np.ceil(6 * sigma))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(np.sqrt(2) * sigma - np.hypot(y, x) + 0.5, 0.0, 1.0)
    return float(-ndimage.gaussian_laplace(disc, sigma)[reach, reach])
