"""Patches of neighbouring MR slices, cut straight or through a random deformation."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CONTEXT = 1
"""Neighbours on either side."""


@dataclass(frozen=True)
class Stack:
    """Volumes on one grid, (channels, slices, rows, columns): contrasts of one session, or one alone."""

    values: Tensor
    brain: Tensor
    """(slices, rows, columns), bool: patches are centred in it."""


def slab(stack: Stack, index: int) -> Tensor:
    """(channels, 3, rows, columns): slice `index` between its neighbours, ends repeated."""
    last = stack.values.shape[1] - 1
    places = [min(max(index + step, 0), last) for step in range(-CONTEXT, CONTEXT + 1)]
    return stack.values[:, places].float()


def sampling_grid(
    size: int, shape: tuple[int, int], centre: tuple[float, float], deform: bool, rng: np.random.Generator
) -> Tensor:
    """(1, size, size, 2) coordinates for `grid_sample` (columns first) around `centre` (row, column).

    Deformed: turned by up to 20 degrees, stretched by 0.75 to 1.3 along either axis (spacing), bent by up to
    4 pixels. Otherwise on whole pixels, so that nothing is blurred.
    """
    offsets = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    rows, columns = torch.meshgrid(offsets, offsets, indexing="ij")
    if deform:
        turn, (tall, wide) = radians(rng.uniform(-20, 20)), np.exp(rng.uniform(-0.28, 0.28, 2))
        rows, columns = (
            tall * (cos(turn) * rows - sin(turn) * columns),
            wide * (sin(turn) * rows + cos(turn) * columns),
        )
        bend = torch.from_numpy(rng.normal(0, 1.5, (1, 2, 4, 4)).astype(np.float32)).clamp(-4, 4)
        bent = functional.interpolate(bend, (size, size), mode="bicubic", align_corners=True)[0]
        rows, columns = rows + bent[0], columns + bent[1]
    place = [c if deform else round(c + (size - 1) / 2) - (size - 1) / 2 for c in centre]
    scaled = [
        2 * (axis + middle) / (length - 1) - 1
        for axis, middle, length in zip((columns, rows), reversed(place), reversed(shape), strict=True)
    ]
    return torch.stack(scaled, -1)[None]


def place_in(brain: Tensor, rng: np.random.Generator) -> tuple[int, int, int]:
    """Slice, row and column of a random voxel of the brain."""
    while True:
        index, row, column = (int(rng.integers(length)) for length in brain.shape)
        if brain[index, row, column]:
            return index, row, column


def cut(stack: Stack, size: int, deform: bool, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(channels, 3, size, size) and its brain mask (size, size), around a random place of the brain."""
    index, row, column = place_in(stack.brain, rng)
    centre = (row + rng.uniform(-size / 4, size / 4), column + rng.uniform(-size / 4, size / 4))
    shape = (stack.brain.shape[1], stack.brain.shape[2])
    grid = sampling_grid(size, shape, centre, deform, rng)
    images = slab(stack, index).flatten(0, 1)[None]
    patch = functional.grid_sample(images, grid, align_corners=True)[0]
    brain = (
        functional.grid_sample(stack.brain[index][None, None].float(), grid, align_corners=True)[0, 0] > 0.5
    )
    return patch.reshape(-1, 2 * CONTEXT + 1, size, size), brain
