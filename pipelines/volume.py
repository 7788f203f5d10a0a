"""What travels between the DICOM edges: slices of numbers on a grid in the patient.

Axis order of every array is (slices, rows, columns). Positions and directions are in the
patient coordinate system of DICOM (LPS: x to the patient's left, y to posterior, z to the head),
in millimetres (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Quantity = Literal["hounsfield_units", "mr_signal"]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class SliceGrid:
    """A stack of parallel slices on one pixel grid, in slice order along `normal_lps`."""

    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float]
    """Distance between rows, distance between columns (Pixel Spacing (0028,0030) order)."""
    row_direction_lps: Vector
    """Direction in which the column index grows: first three values of (0020,0037)."""
    column_direction_lps: Vector
    """Direction in which the row index grows: last three values of (0020,0037)."""
    positions_lps_mm: tuple[Vector, ...]
    """Centre of the first transmitted pixel of each slice."""
    slice_thickness_mm: float | None = None

    @property
    def slices(self) -> int:
        return len(self.positions_lps_mm)

    @property
    def normal_lps(self) -> Vector:
        normal = np.cross(self.row_direction_lps, self.column_direction_lps)
        return (float(normal[0]), float(normal[1]), float(normal[2]))

    @property
    def slice_spacing_mm(self) -> float | None:
        """Mean distance between neighbouring slice centres along the normal; None for one slice."""
        if self.slices < 2:
            return None
        along = np.asarray(self.positions_lps_mm) @ np.asarray(self.normal_lps)
        return float((along[-1] - along[0]) / (self.slices - 1))


@dataclass(frozen=True)
class SliceValues:
    """One source slice in physical units, on its way to a pipeline."""

    index: int
    """Place in the grid, from 0."""
    values: NDArray[np.float32]
    """(rows, columns), in the quantity of the series."""
    padding: NDArray[np.bool_] | None = None
    """(rows, columns), True where the scanner wrote no measurement; None if there is none."""


@dataclass(frozen=True)
class SliceResult:
    """One result slice beside the source slice it stands for."""

    source: SliceValues
    values: NDArray[np.float32]
    """(rows, columns), in the quantity the pipeline's manifest declares for its output."""

    @property
    def index(self) -> int:
        return self.source.index


@dataclass(frozen=True)
class Volume:
    """A whole stack in memory: only for pipelines that need all of it at once."""

    values: NDArray[np.float32]
    """(slices, rows, columns)."""
    grid: SliceGrid
    quantity: Quantity
