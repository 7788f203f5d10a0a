"""Where things are measured: the body, its tissues, the air around it, the head.

Masks are (rows, columns). Tissue masks are taken from a smoothed reference, so that neither its noise nor the
result's decides which pixel belongs where.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

TISSUES_HU: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"lung": (-950.0, -700.0), "fat": (-130.0, -70.0), "soft tissue": (0.0, 90.0), "bone": (250.0, 1500.0)}
)
"""Range of the smoothed reference (Gaussian of 2 pixels) for each class."""
BODY_ABOVE_HU = -350.0
CLEAR_OF_BODY_PIXELS = 8
_EROSION = MappingProxyType({"lung": 3, "fat": 1, "soft tissue": 3, "bone": 1})


def body_mask(hounsfield_units: Image) -> Mask:
    """The body, lungs included: largest connected region above -350 HU of the smoothed slice, holes filled.

    All False where nothing reaches it.
    """
    solid = ndimage.gaussian_filter(hounsfield_units, 1.5) > BODY_ABOVE_HU
    return filled_largest(ndimage.binary_opening(solid, iterations=3))


def tissue_masks(hounsfield_units: Image, body: Mask) -> dict[str, Mask]:
    """Interior of each class of `TISSUES_HU`, eroded clear of its edges."""
    smooth = ndimage.gaussian_filter(hounsfield_units, 2.0)
    return {
        name: ndimage.binary_erosion((smooth > low) & (smooth < high) & body, iterations=_EROSION[name])
        for name, (low, high) in TISSUES_HU.items()
    }


def air_mask(hounsfield_units: Image, body: Mask) -> Mask:
    """Air outside the body and clear of it, pixels clipped at the scale's lower end included.

    Left out is what the scanner never measured: areas that hold nothing but the lowest value of the slice.
    """
    outside = ~ndimage.binary_dilation(body, iterations=CLEAR_OF_BODY_PIXELS)
    smooth = ndimage.gaussian_filter(hounsfield_units, 2.0)
    air: Mask = outside & (smooth < -960.0) & ~unmeasured(hounsfield_units)
    return air


def unmeasured(image: Image) -> Mask:
    """Pixels whose whole 5 x 5 neighbourhood is the lowest value of the slice."""
    at_floor = image <= image.min()
    around = ndimage.binary_erosion(at_floor, np.ones((5, 5)), border_value=1)
    found: Mask = ndimage.binary_dilation(around, np.ones((3, 3))) & at_floor
    return found


def foreground_mask(signal: Image, above: float) -> Mask:
    """MR: the largest connected region of the smoothed slice above a level (see `foreground_level`)."""
    return filled_largest(ndimage.gaussian_filter(signal, 1.5) > above)


def foreground_level(signal: Image) -> float:
    """Half the level that parts background from tissue (Otsu 1979); 0 for a constant array of any shape."""
    otsu = float(threshold_otsu(signal)) if float(np.ptp(signal)) > 0 else 0.0  # type: ignore[no-untyped-call]
    return otsu / 2


def filled_largest(region: Mask) -> Mask:
    """The largest connected part, its holes filled; all False where there is none."""
    labels, count = ndimage.label(region)
    if count == 0:
        return np.zeros(region.shape, dtype=np.bool_)
    sizes = np.bincount(labels.ravel())[1:]
    filled: Mask = ndimage.binary_fill_holes(labels == int(np.argmax(sizes)) + 1)
    return filled


def box_around(mask: Mask, margin: int = 16) -> tuple[slice, slice]:
    """The rows and columns that hold a mask that is not empty, and some pixels around it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )
