"""Where lesions are drawn: at random within tissue, clear of each other, every kind as often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Mask, Triple
from pipelines.measures.lesions import RING, Lesion, room_for

DIAMETERS_MM = (4.0, 6.0, 10.0)
CONTRASTS_HU = (20.0, 40.0, 80.0)
CONTRASTS_OF_WINDOW = (0.05, 0.1, 0.2)
TISSUE_HU = (-20.0, 120.0)
ATTEMPTS = 20
CLEAR_OF_EDGE_PIXELS = 3


@dataclass(frozen=True)
class Kind:
    """A size and a contrast; half of each kind is darker, half brighter than its surroundings."""

    diameter_mm: float
    contrast: float
    """In HU or percent of the window."""
    unit: str

    @property
    def words(self) -> str:
        return f"lesions of {self.diameter_mm:g} mm, {self.contrast:g} {self.unit}"


def kinds(scale: SeriesScale) -> list[Kind]:
    contrasts = CONTRASTS_HU if scale.in_hu else tuple(100 * share for share in CONTRASTS_OF_WINDOW)
    return [Kind(diameter, contrast, scale.unit) for contrast in contrasts for diameter in DIAMETERS_MM]


def roomy(triple: Triple, scale: SeriesScale) -> Mask:
    """Soft tissue in one piece with the fat and vessels that noise makes of it; or the inside of the head."""
    if scale.in_hu:
        smooth = ndimage.gaussian_filter(triple.reference, 3.0)
        tissue = (smooth > TISSUE_HU[0]) & (smooth < TISSUE_HU[1]) & triple.measured
        inside: Mask = ndimage.binary_opening(tissue, iterations=2)
        return inside
    main = scale.masks(triple).get(scale.main_mask, np.zeros(triple.measured.shape, np.bool_))
    eroded: Mask = ndimage.binary_erosion(main, iterations=CLEAR_OF_EDGE_PIXELS)
    return eroded


def placed_lesions(
    masks: Sequence[Mask],
    spacing_mm: float,
    between_mm: float,
    scale: SeriesScale,
    wanted: int,
    rng: np.random.Generator,
) -> list[tuple[Kind, Lesion]]:
    """Up to `wanted`, kinds in turn, signs in turn; fewer where there is no room."""
    known = kinds(scale)
    found: list[tuple[Kind, Lesion]] = []
    rooms: dict[tuple[int, float], NDArray[np.intp]] = {}
    for number in range(wanted):
        kind = known[number % len(known)]
        sign = 1.0 if (number + number // len(known)) % 2 else -1.0
        value = sign * (kind.contrast if scale.in_hu else kind.contrast / 100 * scale.width)
        for _ in range(ATTEMPTS):
            index = int(rng.integers(0, len(masks)))
            if (index, kind.diameter_mm) not in rooms:
                rooms[index, kind.diameter_mm] = places_within(masks[index], kind.diameter_mm, spacing_mm)
            room = rooms[index, kind.diameter_mm]
            if not len(room):
                continue
            row, column = room[rng.integers(0, len(room))] + rng.uniform(-0.5, 0.5, 2)
            lesion = Lesion(index, float(row), float(column), kind.diameter_mm, value)
            if all(_apart(lesion, other, spacing_mm, between_mm) for _, other in found):
                found.append((kind, lesion))
                break
    return found


def places_within(mask: Mask, diameter_mm: float, spacing_mm: float) -> NDArray[np.intp]:
    """(places, 2): rows and columns with room in tissue, whose surroundings lie in the slice."""
    reach = int(np.ceil(RING[0] * diameter_mm / 2 / spacing_mm)) + 2
    places = room_for(mask, reach)
    border = Lesion(0, 0.0, 0.0, diameter_mm, 1.0).reach_pixels(spacing_mm) + 1
    inside = ((places >= border) & (places < np.array(mask.shape) - border)).all(axis=1)
    within: NDArray[np.intp] = places[inside]
    return within


def _apart(one: Lesion, other: Lesion, spacing_mm: float, between_mm: float) -> bool:
    """Whether neither reaches into the other's slice, or into its surroundings."""
    along = abs(one.slice_index - other.slice_index) * between_mm
    if along > (one.diameter_mm + other.diameter_mm) / 2 + 3 * between_mm:
        return True
    across = np.hypot(one.row - other.row, one.column - other.column)
    return bool(across > one.reach_pixels(spacing_mm) + other.reach_pixels(spacing_mm))
