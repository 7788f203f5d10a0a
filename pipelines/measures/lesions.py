"""Round lesions of known size and contrast: drawn into slices, looked for, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.regions import Image, Mask

Values = NDArray[np.float64]
BLUR_PIXELS = 0.8
FINE_ACROSS, FINE_ALONG = 4, 5
RING = (1.4, 2.2)
"""Radii, in those of the lesion, between which its surroundings are measured."""
CORE = 0.6
PROFILE_STEP_MM = 0.5


@dataclass(frozen=True)
class Lesion:
    """A ball."""

    slice_index: int
    row: float
    column: float
    diameter_mm: float
    contrast: float
    """In the image's quantity."""

    def reach_pixels(self, spacing_mm: float) -> int:
        """Half the side of the square that holds it and its surroundings."""
        return int(np.ceil(RING[1] * self.diameter_mm / 2 / spacing_mm)) + 3


def shape_of(lesion: Lesion, offset_mm: float, thickness_mm: float, spacing_mm: float) -> Values:
    """(side, side): its share of each voxel of a slice whose middle lies `offset_mm` from the ball's.

    The share of the slice's thickness and of the pixel that is inside, blurred by 0.8 pixels.
    """
    reach, radius = lesion.reach_pixels(spacing_mm), lesion.diameter_mm / 2
    axis = (np.arange((2 * reach + 1) * FINE_ACROSS) + 0.5) / FINE_ACROSS - reach - 0.5
    shift_row, shift_column = (each - round(each) for each in (lesion.row, lesion.column))
    across = np.hypot(axis[:, np.newaxis] - shift_row, axis - shift_column) * spacing_mm
    depths = offset_mm + thickness_mm * ((np.arange(FINE_ALONG) + 0.5) / FINE_ALONG - 0.5)
    inside = np.mean([across**2 + depth**2 <= radius**2 for depth in depths], axis=0)
    side = 2 * reach + 1
    shares = inside.reshape(side, FINE_ACROSS, side, FINE_ACROSS).mean(axis=(1, 3))
    blurred: Values = ndimage.gaussian_filter(shares, BLUR_PIXELS)
    return blurred


def square_around(lesion: Lesion, spacing_mm: float) -> tuple[slice, slice]:
    """Where `shape_of` belongs in its slice."""
    reach = lesion.reach_pixels(spacing_mm)
    row, column = round(lesion.row), round(lesion.column)
    return slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1)


def drawn(stack: Image, lesions: list[Lesion], spacing_mm: float, between_mm: float) -> Image:
    """A copy of (slices, rows, columns) with every lesion added, in each slice it reaches."""
    result = stack.copy()
    for lesion in lesions:
        square = square_around(lesion, spacing_mm)
        for index in range(len(stack)):
            offset = (index - lesion.slice_index) * between_mm
            if abs(offset) <= lesion.diameter_mm / 2 + between_mm / 2:
                shape = shape_of(lesion, offset, between_mm, spacing_mm)
                result[index][square] += (lesion.contrast * shape).astype(np.float32)
    return result


def recovery(
    with_lesion: Image, without: Image, lesion: Lesion, thickness_mm: float, spacing_mm: float
) -> float:
    """Share of a lesion's contrast that is there: least squares of the difference of two images that differ
    by the lesion alone, in the slice through its middle.
    """
    square = square_around(lesion, spacing_mm)
    shape = lesion.contrast * shape_of(lesion, 0.0, thickness_mm, spacing_mm)
    difference = with_lesion[square].astype(np.float64) - without[square]
    return float((difference * shape).sum() / (shape * shape).sum())


def response(image: Image, lesion: Lesion, thickness_mm: float, spacing_mm: float) -> float:
    """What a reader who knows shape and place sees: its template, less its mean, times the image.

    In units of contrast: 1 where the lesion is there and nothing else, 0 where nothing is.
    """
    square = square_around(lesion, spacing_mm)
    template = lesion.contrast * shape_of(lesion, 0.0, thickness_mm, spacing_mm)
    template = template - template.mean()
    return float((image[square] * template).sum() / (template * template).sum())


def mean_inside(image: Image, lesion: Lesion, spacing_mm: float) -> float:
    """Mean of the image within 0.6 of the lesion's radius."""
    values, distance = _polar(image, lesion, spacing_mm)
    return float(values[distance <= CORE * lesion.diameter_mm / 2].mean())


def half_maximum_diameter_mm(image: Image, lesion: Lesion, spacing_mm: float) -> float | None:
    """Twice the radius at which the mean profile falls half way from the core to the surroundings.

    None where it does not: the lesion does not stand out there.
    """
    values, distance = _polar(image, lesion, spacing_mm)
    radius = lesion.diameter_mm / 2
    core = values[distance <= CORE * radius].mean()
    around = values[(distance >= RING[0] * radius) & (distance <= RING[1] * radius)].mean()
    if (core - around) * np.sign(lesion.contrast) <= 0:
        return None
    place = (distance / PROFILE_STEP_MM).astype(int)
    counts = np.bincount(place)
    means = np.bincount(place, values) / np.maximum(counts, 1)
    middles = np.bincount(place, distance) / np.maximum(counts, 1)
    share = (means[counts > 0] - around) / (core - around)
    below = np.flatnonzero((share < 0.5) & (middles[counts > 0] > CORE * radius))
    if not below.size:
        return None
    last = int(below[0])
    x, y = middles[counts > 0][last - 1 : last + 1], share[last - 1 : last + 1]
    return 2.0 * float(np.interp(-0.5, -y, x))


def _polar(image: Image, lesion: Lesion, spacing_mm: float) -> tuple[Values, Values]:
    """Values of the square around a lesion, and their distance from its middle in mm."""
    rows, columns = square_around(lesion, spacing_mm)
    y, x = np.mgrid[rows, columns]
    distance = np.hypot(y - lesion.row, x - lesion.column) * spacing_mm
    return image[rows, columns].astype(np.float64).ravel(), distance.ravel()


def room_for(mask: Mask, reach: int) -> NDArray[np.intp]:
    """(places, 2): rows and columns whose square of that reach lies within a mask of one slice."""
    distance = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="chessboard")[1:-1, 1:-1]
    found: NDArray[np.intp] = np.argwhere(distance > reach)
    return found
