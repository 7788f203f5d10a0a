"""What a source slice tells of itself: noise, grain, ghosts in the air around the body, metal, air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.blocks import BLOCK, Blocks, Mask, SliceBlocks, middle
from pipelines.gate.local_change import tissue
from pipelines.volume import Quantity

AIR_HU = (-1150.0, -850.0)
METAL_HU = 2500.0
NO_AIR_HU, NO_FAT_HU = -500.0, -50.0
"""Least block of a slice that holds no air, and that of one that holds no fat either."""
LUNG_HU = (-900.0, -500.0)
LUNG_RIM = 3
"""Blocks: skin and air mix to a lung's values over fewer than twice as many."""
FROM_BODY = 4
"""Blocks of air next to anything else that are left out."""
LEAST_NOISE_HU = 0.5
BIN_HU = 10.0
LEAST_BLOCKS = 50

Values = NDArray[np.float32]


@dataclass(frozen=True)
class SourceSigns:
    """Of one slice; None where it has too little of what is measured."""

    noise: float | None = None
    """Standard deviation of the finest noise in tissue, in the source's quantity."""
    grain: float | None = None
    """Finest noise over noise two pixels wide: 1 for white noise, smaller for a smooth kernel."""
    ghosts: float | None = None
    """Of the air around the body. CT: its unevenness on a scale of 12 pixels over its noise; MR: how far its
    bright parts lie above its middle, in percent of the bright signal."""
    metal: float = 0.0
    """Share of the slice above 2500 HU."""
    air_hu: float | None = None
    """Where the histogram has its peak between -1150 and -850 HU."""
    without_air: float = 0.0
    """1 where all lies above -50 HU, as no patient does; a half where it does above -500 HU."""
    lung_share: float | None = None
    """Of the tissue, lung included."""
    peak: float | None = None
    """MR: brightest thousandth over brightest hundredth of the pixels: metal piles signal up."""


def source_signs(source: Values, blocks: SliceBlocks, quantity: Quantity) -> SourceSigns:
    """Of (rows, columns) values in `quantity`."""
    inside, unit = tissue(blocks, quantity)
    noise, grain = _noise(source, inside)
    if quantity != "hounsfield_units":
        ghosts = _ghosts(blocks, ~inside & blocks.measured, unit / 100)
        return SourceSigns(noise, grain, ghosts, peak=_peak_of_signal(source))
    outside = blocks.measured & (blocks.smooth < -900) & (blocks.smooth > AIR_HU[0])
    return SourceSigns(
        noise=noise,
        grain=grain,
        ghosts=_streaks(blocks, _shrunk(outside, FROM_BODY)),
        metal=float(np.count_nonzero(source > METAL_HU)) / source.size,
        air_hu=_peak(blocks.source[blocks.measured], AIR_HU),
        without_air=_without_air(blocks),
        lung_share=_lung_share(blocks),
    )


def _noise(source: Values, inside: Mask) -> tuple[float | None, float | None]:
    """By differences across both axes, which flat and sloping tissue do not show (Immerkaer 1996)."""
    if np.count_nonzero(inside) < LEAST_BLOCKS:
        return None, None
    columns, values = source.shape[1], source.ravel()
    block_row, block_column = np.nonzero(inside)
    first = BLOCK * (columns * block_row + block_column)
    at = {
        (row, column): values.take(first + (columns * row + column))
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2))
    }
    finest = _spread(at[0, 0] - at[0, 1] - at[1, 0] + at[1, 1]) / 2
    wider = _spread(at[0, 0] - at[0, 2] - at[2, 0] + at[2, 2]) / 2
    return finest, finest / wider if wider > 0 else None


def _spread(values: Values) -> float:
    return 1.4826 * middle(np.abs(values))


def _ghosts(blocks: SliceBlocks, outside: Mask, unit: float) -> float | None:
    air = blocks.source[outside]
    if air.size < LEAST_BLOCKS:
        return None
    middle, bright = np.percentile(air, (50, 95))
    return float(bright - middle) / unit


def _streaks(blocks: SliceBlocks, outside: Mask) -> float | None:
    if np.count_nonzero(outside) < LEAST_BLOCKS:
        return None
    air, smooth = blocks.source[outside], blocks.smooth[outside]
    noise = _spread(blocks.source_pixel[outside] - air)
    return middle(np.abs(smooth - np.float32(middle(air)))) / max(noise, LEAST_NOISE_HU)


def _without_air(blocks: SliceBlocks) -> float:
    least = float(blocks.source.min())
    if blocks.source.size < LEAST_BLOCKS or least <= NO_AIR_HU:
        return 0.0
    return 1.0 if least > NO_FAT_HU else 0.5


def _lung_share(blocks: SliceBlocks) -> float | None:
    """Blocks of a lung's density within the body, less the rim that air and skin mix at."""
    solid = blocks.smooth >= LUNG_HU[1]
    sparse = (blocks.smooth > LUNG_HU[0]) & (blocks.smooth < LUNG_HU[1])
    found = np.count_nonzero(_shrunk(sparse & _between(solid), LUNG_RIM))
    whole = found + np.count_nonzero(solid)
    return found / whole if whole >= LEAST_BLOCKS else None


def _between(solid: Mask) -> Mask:
    """Where something solid lies on all four sides: the foam of a head rest does not."""
    sides = (np.logical_or.accumulate(solid[::step], axis=0)[::step] for step in (1, -1))
    others = (np.logical_or.accumulate(solid[:, ::step], axis=1)[:, ::step] for step in (1, -1))
    enclosed: Mask = np.logical_and.reduce([*sides, *others])
    return enclosed


def _peak_of_signal(source: Values) -> float | None:
    usual, brightest = np.percentile(source, (99, 99.9))
    return float(brightest / usual) if usual > 0 else None


def _shrunk(mask: Mask, blocks: int) -> Mask:
    for _ in range(blocks):
        wide = np.pad(mask, 1, mode="edge")
        mask = mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask


def _peak(values: Blocks, between: tuple[float, float]) -> float | None:
    """Of the histogram, smoothed over three bins."""
    counts, edges = np.histogram(values, round((between[1] - between[0]) / BIN_HU), between)
    if counts.sum() < LEAST_BLOCKS:
        return None
    smooth = np.convolve(counts, (1, 1, 1), "same")
    return float(edges[int(smooth.argmax())] + BIN_HU / 2)
