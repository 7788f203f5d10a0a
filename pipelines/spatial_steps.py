"""Preprocessing steps on the grid; their inverses bring a result onto the source's own pixels again."""

from __future__ import annotations

from itertools import permutations
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from pipelines.manifest_part import ManifestPart
from pipelines.placed import Inverse, Placed, Values
from pipelines.resampling import resample
from pipelines.volume import Vector

LETTERS: dict[str, Vector] = {
    "L": (1.0, 0.0, 0.0),
    "R": (-1.0, 0.0, 0.0),
    "P": (0.0, 1.0, 0.0),
    "A": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}

Positive = Annotated[float, Field(gt=0)]


class Resample(ManifestPart):
    """Interpolate to SpacingMm: (rows, columns) or, in a 3D pipeline, (slices, rows, columns).

    The spacing reached is the nearest one that divides the field of view into whole pixels.
    """

    step: Literal["resample"]
    spacing_mm: tuple[Positive, ...] = Field(min_length=2, max_length=3)

    @property
    def dimensions(self) -> int:
        return len(self.spacing_mm)

    def forward(self, placed: Placed) -> tuple[Placed, Inverse]:
        old = placed.values.shape
        extent = [count * spacing for count, spacing in zip(old, placed.spacing_mm, strict=True)]
        new = tuple(
            max(1, round(length / spacing)) for length, spacing in zip(extent, self.spacing_mm, strict=True)
        )
        reached = tuple(length / count for length, count in zip(extent, new, strict=True))
        resampled = Placed(resample(placed.values, new), reached, placed.directions_lps)
        return resampled, lambda result: resample(result, old)


class Orient(ManifestPart):
    """Permute and flip the axes until their indices grow towards the given sides of the patient.

    Axes "SPL" in 3D: slices towards the head, rows towards posterior, columns towards the left. In 2D two
    letters; a slice whose plane does not hold them (to the nearest axis) is turned as near as it can be.
    """

    step: Literal["orient"]
    axes: str = Field(pattern=r"^[LRPASI]{2,3}$")

    @model_validator(mode="after")
    def _axes_differ(self) -> Orient:
        used = {next(i for i, part in enumerate(LETTERS[letter]) if part) for letter in self.axes}
        if len(used) != len(self.axes):
            raise ValueError(f"Axes {self.axes!r} names one axis of the patient twice")
        return self

    @property
    def dimensions(self) -> int:
        return len(self.axes)

    def forward(self, placed: Placed) -> tuple[Placed, Inverse]:
        wanted = [LETTERS[letter] for letter in self.axes]
        cosines = np.asarray(wanted) @ np.asarray(placed.directions_lps).T
        order = max(permutations(range(len(wanted))), key=lambda order: _agreement(cosines, order))
        flips = tuple(axis for axis, old in enumerate(order) if cosines[axis, old] < 0)
        signs = [-1.0 if axis in flips else 1.0 for axis in range(len(order))]
        turned = Placed(
            np.ascontiguousarray(np.flip(np.transpose(placed.values, order), flips)),
            tuple(placed.spacing_mm[old] for old in order),
            tuple(_times(placed.directions_lps[old], sign) for old, sign in zip(order, signs, strict=True)),
        )
        back = tuple(int(axis) for axis in np.argsort(order))
        return turned, lambda result: np.ascontiguousarray(np.transpose(np.flip(result, flips), back))


class Crop(ManifestPart):
    """Cut the middle of at most Shape pixels out of (rows, columns) or (slices, rows, columns).

    Outside of it the result keeps the values the step was given.
    """

    step: Literal["crop"]
    shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=2, max_length=3)

    @property
    def dimensions(self) -> int:
        return len(self.shape)

    def forward(self, placed: Placed) -> tuple[Placed, Inverse]:
        values = placed.values
        middle = tuple(
            slice((length - min(length, wanted)) // 2, (length - min(length, wanted)) // 2 + wanted)
            for length, wanted in zip(values.shape, self.shape, strict=True)
        )

        def put_back(result: Values) -> Values:
            whole = values.copy()
            whole[middle] = result
            return whole

        return placed.with_values(np.ascontiguousarray(values[middle])), put_back


def _agreement(cosines: np.ndarray[tuple[int, ...], np.dtype[np.float64]], order: tuple[int, ...]) -> float:
    return float(sum(abs(cosines[axis, old]) for axis, old in enumerate(order)))


def _times(direction: Vector, sign: float) -> Vector:
    return (sign * direction[0], sign * direction[1], sign * direction[2])
