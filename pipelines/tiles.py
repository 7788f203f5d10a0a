"""Overlapping tiles and 3D windows, blended so that their seams vanish."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np

from pipelines.ahead import map_ahead
from pipelines.network import Network, Tensor
from pipelines.sampling.chance import Chance


@dataclass(frozen=True)
class TiledNetwork:
    """A network run on tiles of `shape`; every pixel is a Gaussian-weighted mean of the tiles over it."""

    network: Network
    shape: tuple[int, ...]
    overlap: float
    multiple: int = 1
    """Tiles begin at multiples of this, so that latents can be cut at the same places."""
    workers: int = 1

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Tensor:
        tile = tuple(min(side, whole) for side, whole in zip(self.shape, batch.shape[2:], strict=True))
        origins = tile_origins(batch.shape[2:], tile, self.overlap, self.multiple)

        def run(origin: tuple[int, ...]) -> Tensor:
            cut = _cut(batch, origin, tile)
            return self.network(np.ascontiguousarray(cut), [chance.at(origin) for chance in chances])

        blend = Blend((len(batch), 1, *batch.shape[2:]), gaussian_weights(tile))
        with ThreadPoolExecutor(self.workers, thread_name_prefix="tile") as executor:
            answers = map_ahead(run, origins, executor=executor, ahead=self.workers + 1)
            for origin, answer in zip(origins, answers, strict=True):
                blend.add(origin, answer)
        return blend.values


class Blend:
    """A running weighted mean, so that tiles of one constant give exactly that constant."""

    def __init__(self, shape: tuple[int, ...], weights: Tensor) -> None:
        self.values: Tensor = np.zeros(shape, np.float32)
        self._total: Tensor = np.zeros(shape[2:], np.float32)
        self._weights = weights

    def add(self, origin: tuple[int, ...], tile: Tensor) -> None:
        """Take (batch, 1, *tile) in at `origin`."""
        total = _cut(self._total, origin, self._weights.shape)
        total += self._weights
        values = _cut(self.values, origin, self._weights.shape)
        values += (tile - values) * (self._weights / total)


def tile_origins(
    whole: tuple[int, ...], tile: tuple[int, ...], overlap: float, multiple: int = 1
) -> list[tuple[int, ...]]:
    """Where tiles begin so that they cover `whole`, row by row; each shares `overlap` of itself or more."""
    return list(product(*(_begins(*sides, overlap, multiple) for sides in zip(whole, tile, strict=True))))


def gaussian_weights(shape: tuple[int, ...]) -> Tensor:
    """Weights of a tile: 1 in the middle, standard deviation an eighth of each side, at least 0.001."""
    sides = [_gaussian(length) for length in shape]
    weights = reduce(np.multiply.outer, sides)
    return np.maximum(weights, 1e-3).astype(np.float32)


def _begins(whole: int, tile: int, overlap: float, multiple: int) -> list[int]:
    stride = max(multiple, int(tile * (1 - overlap)) // multiple * multiple)
    return [*range(0, whole - tile, stride), whole - tile]


def _gaussian(length: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    away = (np.arange(length) - (length - 1) / 2) / (length / 8)
    weights: np.ndarray[tuple[int], np.dtype[np.float64]] = np.exp(-0.5 * away**2)
    return weights


def _cut(values: Tensor, origin: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """The view of the last axes of `values` that begins at `origin`."""
    places = [slice(begin, begin + side) for begin, side in zip(origin, shape, strict=True)]
    leading = [slice(None)] * (values.ndim - len(places))
    return values[tuple([*leading, *places])]
