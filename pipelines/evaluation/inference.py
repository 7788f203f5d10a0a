"""A pipeline on slices made here: phantoms, and patients' slices with lesions drawn in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.evaluation.subject import Image
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceGrid, SliceValues


@dataclass(frozen=True)
class Inference:
    """One open pipeline of a single input, with its seed."""

    pipeline: Pipeline
    seed: int

    def __call__(self, stack: Image, grid: SliceGrid) -> Image:
        """(slices, rows, columns) to the same; padding is none."""
        slices = (SliceValues(index, values) for index, values in enumerate(stack))
        return np.stack([result.values for result in self.pipeline.stream(slices, grid, seed=self.seed)])


def axial_grid(slices: int, rows: int, columns: int, spacing_mm: float, between_mm: float) -> SliceGrid:
    """A stack of axial slices at the origin."""
    return SliceGrid(
        rows=rows,
        columns=columns,
        pixel_spacing_mm=(spacing_mm, spacing_mm),
        row_direction_lps=(1.0, 0.0, 0.0),
        column_direction_lps=(0.0, 1.0, 0.0),
        positions_lps_mm=tuple((0.0, 0.0, index * between_mm) for index in range(slices)),
        slice_thickness_mm=between_mm,
    )
