"""Values with their axes in the patient, so that a step knows the millimetres it works in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import SliceGrid, Vector

Values = NDArray[np.float32]
Inverse = Callable[[Values], Values]
"""Takes a result it may write to, gives it one step nearer to the source's grid and quantity."""


@dataclass(frozen=True)
class Placed:
    """A slice (rows, columns) or a volume (slices, rows, columns), one spacing and direction per axis."""

    values: Values
    spacing_mm: tuple[float, ...]
    directions_lps: tuple[Vector, ...]
    """Unit vector along which the index of each axis grows."""

    @classmethod
    def slice(cls, values: Values, grid: SliceGrid) -> Placed:
        return cls(values, grid.pixel_spacing_mm, (grid.column_direction_lps, grid.row_direction_lps))

    @classmethod
    def volume(cls, values: Values, grid: SliceGrid) -> Placed:
        """One slice alone takes the slice thickness, or else its row spacing, for its slice spacing."""
        between = grid.slice_spacing_mm or grid.slice_thickness_mm or grid.pixel_spacing_mm[0]
        plane = cls.slice(values, grid)
        return cls(values, (between, *plane.spacing_mm), (grid.normal_lps, *plane.directions_lps))

    def with_values(self, values: Values) -> Placed:
        """Other values on the same axes."""
        return replace(self, values=values)
