"""A made-up body, to try a pipeline on before any patient's images."""

from __future__ import annotations

import numpy as np

from pipelines.manifest import InputSpec, Manifest
from pipelines.manifest_part import Bounds
from pipelines.volume import SliceGrid, SliceValues

SIDE = 96
"""Pixels, where the pipeline's envelope allows it."""


def phantom_grid(manifest: Manifest) -> SliceGrid:
    """The smallest axial grid of use inside the envelope of the pipeline's first input."""
    known = manifest.inputs[0]
    side = int(_nearest(SIDE, known.rows_columns))
    spacing = _nearest(1.0, known.pixel_spacing_mm)
    between = _nearest(_nearest(2.0, known.slice_thickness_mm), known.slice_spacing_mm)
    count = max(known.minimum_slices, 3 if manifest.dimensions == 2 else 16)
    count = min(count, known.maximum_slices or count)
    return SliceGrid(
        rows=side,
        columns=side,
        pixel_spacing_mm=(spacing, spacing),
        row_direction_lps=(1.0, 0.0, 0.0),
        column_direction_lps=(0.0, 1.0, 0.0),
        positions_lps_mm=tuple((0.0, 0.0, index * between) for index in range(count)),
        slice_thickness_mm=_nearest(2.0, known.slice_thickness_mm),
    )


def phantom_slices(known: InputSpec, grid: SliceGrid) -> list[SliceValues]:
    """An oval body with two hollows and a bright core, a little noise, in the input's quantity."""
    rows, columns = np.mgrid[: grid.rows, : grid.columns].astype(np.float32)
    y, x = rows / grid.rows - 0.5, columns / grid.columns - 0.5
    shape = np.full((grid.rows, grid.columns), -1000.0, np.float32)
    shape[x**2 / 0.20 + y**2 / 0.14 < 1] = 40.0
    for centre in (-0.2, 0.2):
        shape[(x - centre) ** 2 + y**2 < 0.015] = -800.0
    shape[x**2 + (y - 0.2) ** 2 < 0.004] = 600.0
    if known.quantity != "hounsfield_units":
        shape = (shape + np.float32(1000)) / np.float32(2)
    noise = np.random.default_rng(0)
    return [
        SliceValues(index, shape + noise.normal(0, 15, shape.shape).astype(np.float32))
        for index in range(grid.slices)
    ]


def _nearest(wanted: float, bounds: Bounds | None) -> float:
    return wanted if bounds is None else min(max(wanted, bounds[0]), bounds[1])
