"""How near any method can come to a reference that is noisy itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipelines.errors import OrthogenError
from pipelines.measures.noise_level import noise_level
from pipelines.measures.regions import Image, Mask

SOFT_TISSUE_HU = (-20.0, 120.0)
EVEN_WITHIN_HU = 25.0
"""Between two widths of smoothing: what differs by more is an edge."""
LEAST_PIXELS = 500
MOST_OF_MODE = 2.5
"""Deviation of input minus reference over its most frequent local one: above, it is structure."""


class NotAttainable(OrthogenError):
    """There is no such figure for this pair of slices; says why."""


@dataclass(frozen=True)
class Attainable:
    """Of one slice, in HU."""

    rmse: float
    """Root mean square error over the mask that perfect knowledge of the anatomy would leave."""
    reference_noise: float
    added_noise: float
    """Both in even soft tissue."""


def attainable(source: Image, reference: Image, mask: Mask, spacing_mm: float) -> Attainable:
    """The least RMSE within `mask` for CT slices (rows, columns) in HU, from the two alone.

    With the reference's noise sf(x) and the added noise se(x) no method gets below the root of the mean of
    sf^2 se^2 / (sf^2 + se^2). Both vary over a slice alike, so that this is the root of d times the mean of
    se^2 over the mask, with d = sf^2 / (sf^2 + se^2) in soft tissue. se is input minus reference; sf is the
    most frequent local deviation of the reference's soft tissue (`noise_level`).

    It supposes a low-dose image made from its reference by adding noise of the same kind. Of two scans apart
    the reference's noise cannot be known at all, and the figure is a limit that nobody comes quite up to.
    Added noise that is sharper than the reference's can be told from it, and the figure be undercut.

    Raises NotAttainable: the images are equal, soft tissue is too little, or the difference is no noise.
    """
    added = source - reference
    if not np.any(added[mask]):
        raise NotAttainable("input and reference are equal")
    tissue = even_soft_tissue(reference) & mask
    own = noise_level(reference, tissue, spacing_mm) if np.count_nonzero(tissue) >= LEAST_PIXELS else 0.0
    if own <= 0:
        raise NotAttainable("too little soft tissue to tell the reference's noise")
    deviation = float(np.std(added[tissue], dtype=np.float64))
    if deviation > MOST_OF_MODE * noise_level(added, tissue, spacing_mm):
        raise NotAttainable("input and reference differ by more than noise")
    spread = float(np.sqrt(np.mean(added[mask].astype(np.float64) ** 2)))
    return Attainable(spread * own / float(np.hypot(own, deviation)), own, deviation)


def even_soft_tissue(hounsfield_units: Image) -> Mask:
    """Interior of soft tissue, -20 to 120 HU after smoothing, clear of edges."""
    smooth = ndimage.gaussian_filter(hounsfield_units, 3.0)
    low, high = SOFT_TISSUE_HU
    even = np.abs(smooth - ndimage.gaussian_filter(hounsfield_units, 6.0)) < EVEN_WITHIN_HU
    tissue: Mask = ndimage.binary_erosion((smooth > low) & (smooth < high) & even, iterations=3)
    return tissue
