"""Channels through which a model observer sees: columns of a matrix (pixels, channels), each of length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import eval_laguerre

Channels = NDArray[np.float64]
"""(side * side, channels)."""
LAGUERRE_ORDERS = 6
WIDTH_OVER_RADIUS = 2.5
GABOR_ORIENTATIONS = 4
GABOR_CENTRES_PER_PIXEL = (3 / 16, 3 / 32, 3 / 64)
"""Middles of the octaves 1/8-1/4, 1/16-1/8 and 1/32-1/16 cycles a pixel."""


def laguerre_gauss(side: int, radius_pixels: float) -> Channels:
    """Six rotationally symmetric channels (Gallas and Barrett 2003), as wide as the signal asks for.

    exp(-pi r^2 / a^2) L_p(2 pi r^2 / a^2) with a = 2.5 radii of the signal, p = 0 to 5.
    """
    squared = _radii_squared(side) / (WIDTH_OVER_RADIUS * radius_pixels) ** 2
    columns = [
        np.exp(-np.pi * squared) * eval_laguerre(order, 2 * np.pi * squared)
        for order in range(LAGUERRE_ORDERS)
    ]
    return _unit_columns(columns)


def gabor(side: int) -> Channels:
    """Three octave passbands in four orientations, cosine phase (after Leng et al. 2013).

    The sine phases are left out: a signal that is symmetric about the centre gives them nothing.
    """
    y, x = _axes(side)
    columns = []
    for centre in GABOR_CENTRES_PER_PIXEL:
        width = 4 * np.log(2) * (centre / 2 * 2 / 3 * np.pi / (2 * np.log(2))) ** 2
        for orientation in range(GABOR_ORIENTATIONS):
            angle = np.pi * orientation / GABOR_ORIENTATIONS
            wave = np.cos(2 * np.pi * centre * (x * np.cos(angle) + y * np.sin(angle)))
            columns.append(np.exp(-width * (x**2 + y**2)) * wave)
    return _unit_columns(columns)


def _axes(side: int) -> tuple[Channels, Channels]:
    """Row and column from the middle of the square, which lies between pixels when `side` is even."""
    axis = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x


def _radii_squared(side: int) -> Channels:
    y, x = _axes(side)
    return y**2 + x**2


def _unit_columns(columns: list[Channels]) -> Channels:
    matrix = np.stack([column.ravel() for column in columns], axis=1)
    channels: Channels = matrix / np.linalg.norm(matrix, axis=0)
    return channels
