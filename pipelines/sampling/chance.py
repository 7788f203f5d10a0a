"""Noise that depends on the seed and the place it is for, and on nothing else.

A draw is keyed by seed, sample number, slice and purpose, over the whole slice (or volume), and a tile
takes its cut of it: so batch size, order of tiles, thread and machine cannot change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

START = 0
"""Purpose of the noise a sampler starts from; its steps use 1, 2, 3 and so on."""


@dataclass(frozen=True)
class Chance:
    """The noise of one item of a batch."""

    seed: int
    sample: int
    slice_index: int
    """0 for a whole volume."""
    whole: tuple[int, ...]
    """Spatial shape of the slice or volume, as the network would see it untiled."""
    origin: tuple[int, ...]
    """Where in it the item begins."""
    opposite: bool = False
    """Every value with the other sign: the antithetic partner (Hammersley and Morton 1956)."""
    mirrored: tuple[int, ...] = ()
    """Axes of (..., rows, columns) along which the item, and so its noise, is seen in the mirror."""

    def at(self, origin: tuple[int, ...]) -> Chance:
        """The same chance for a tile that begins at `origin`."""
        return replace(self, origin=origin)

    def normal(
        self, purpose: int, channels: int, shape: tuple[int, ...], downscale: int = 1
    ) -> NDArray[np.float32]:
        """Standard normal (channels, *shape); `downscale` is the pixels per value along each axis."""
        key = np.random.SeedSequence([self.seed, self.sample, self.slice_index, purpose])
        whole = tuple(length // downscale for length in self.whole)
        field = np.random.Generator(np.random.Philox(key)).standard_normal((channels, *whole), np.float32)
        field = np.flip(-field if self.opposite else field, self.mirrored)
        if whole == shape:
            return field
        begins = (first // downscale for first in self.origin)
        cut = tuple(slice(begin, begin + length) for begin, length in zip(begins, shape, strict=True))
        return field[(slice(None), *cut)]


def normal_batch(
    chances: Sequence[Chance], purpose: int, channels: int, shape: tuple[int, ...], downscale: int = 1
) -> NDArray[np.float32]:
    """(batch, channels, *shape), each item from its own chance."""
    return np.stack([chance.normal(purpose, channels, shape, downscale) for chance in chances])
