"""How much of the source's edges a result keeps: below 1 it is blurred, above it is sharpened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.blocks import BLOCK, Blocks, Mask, SliceBlocks
from pipelines.volume import SliceResult

COMPARED = 0.01
"""Share of the blocks: the steepest, and as many of the flattest."""
LEAST_BLOCKS = 20
LEAST_EDGE = 3.0
"""Power of the edges over that of the noise, without which nothing is said."""

Values = NDArray[np.float32]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]


def edges_kept(result: SliceResult, blocks: SliceBlocks, inside: Mask) -> float | None:
    """Slope of the result's gradient over the source's at the steepest edges; None where there are none.

    Edges are chosen by the smoothed source; what flat tissue shows of the same products is noise, and taken
    off.
    """
    gradient = blocks.gradient
    wanted = int(COMPARED * gradient.size)
    flat = _inner(inside)
    if wanted < LEAST_BLOCKS or np.count_nonzero(flat) < 4 * wanted:
        return None
    steep = _extreme(np.where(_inner(blocks.measured), -gradient, np.inf), wanted)
    level = _extreme(np.where(flat, gradient, np.inf), wanted)
    cross, own = _powers(result, steep)
    noise_cross, noise = _powers(result, level)
    if own < LEAST_EDGE * noise or own <= 0:
        return None
    return (cross - noise_cross) / (own - noise)


def _extreme(cost: Blocks, wanted: int) -> Places:
    chosen = np.argpartition(cost, wanted, axis=None)[:wanted]
    rows, columns = np.unravel_index(chosen, cost.shape)
    return rows, columns


def _inner(mask: Mask) -> Mask:
    """Blocks whose four neighbours are in the mask too."""
    inner = np.zeros_like(mask)
    around = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & around
    return inner


def _powers(result: SliceResult, places: Places) -> tuple[float, float]:
    """Mean products of the two gradients, and of the source's with itself."""
    cross = own = 0.0
    for along in ((0, 1), (1, 0)):
        before = _differences(result.source.values, places, along)
        after = _differences(result.values, places, along)
        cross += float((before * after).mean(dtype=np.float64))
        own += float((before * before).mean(dtype=np.float64))
    return cross, own


def _differences(values: Values, places: Places, along: tuple[int, int]) -> Values:
    """(blocks, 4, 4): each pixel's neighbour after it less the one before it."""
    inner, (rows, columns), (down, right) = np.arange(BLOCK), places, along
    side = values.shape[1]
    first = (BLOCK * (side * rows + columns))[:, np.newaxis, np.newaxis]
    at, away = first + side * inner[:, np.newaxis] + inner, side * down + right
    after: Values = values.take(at + away) - values.take(at - away)
    return after
