"""Is the result likely to be worse than its source? Two signs that need no reference.

Texture. A denoiser that leaves too little of the noise makes an image less like a good scan than the noisy
one was. For noise of power N, of which the share k of the amplitude is left, SSIM (Wang et al. 2004, with C2)
against a scan of twice the dose falls as soon as k < 1 / (2 + 2 C2 / N); the figure is k over that bound.

Detail of the lung. Where what was removed is next to nothing against the fine detail around it, the result
cannot have become much better, but detail may have been lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.blocks import BLOCK, Blocks, Mask, SliceBlocks, block_means
from pipelines.gate.tissues import HOUNSFIELD_CLASSES
from pipelines.volume import SliceResult

SSIM_C2 = (0.03 * 400.0) ** 2
"""In HU squared, for the soft-tissue window of 400 HU."""
LARGEST = 9.0
"""Figures are cut here: how far beyond all limits they lie is of no interest."""
MOST_LEFT = 0.97
"""Of the noise: where more is left, nothing was removed that could be measured."""
LUNG_HU = (-950.0, -700.0)
RIM = 2
"""Blocks of the lung next to anything else that are left out."""
LEAST_BLOCKS = 100
EVERY = 2
"""Rows of blocks from one that is measured to the next."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Benefit:
    """Of one slice; None where it has too little of the tissue."""

    texture_kept: float | None
    """Noise left over the least at which SSIM does not fall against a scan of twice the dose."""
    lung_share_removed: float | None
    """Median over the lung: power of the change over the source's variance, in blocks of 4 x 4 pixels."""


def benefit(result: SliceResult, blocks: SliceBlocks, noise_left: float | None) -> Benefit:
    """`noise_left`: amplitude of the noise in soft tissue, result over source."""
    smooth, measured = blocks.smooth[::EVERY], blocks.measured[::EVERY]
    source = _thinned(result.source.values)
    change = _thinned(result.values) - source
    removed = block_means(change * change)
    lowest, highest = HOUNSFIELD_CLASSES["soft tissue"]
    soft_tissue = measured & (smooth >= lowest) & (smooth < highest)
    lung = measured & _lung(blocks)[::EVERY]
    return Benefit(
        texture_kept=_texture_kept(removed, soft_tissue, noise_left),
        lung_share_removed=_share(removed, source, blocks.source[::EVERY], lung),
    )


def _texture_kept(removed: Blocks, soft_tissue: Mask, left: float | None) -> float | None:
    if left is None or left > MOST_LEFT or np.count_nonzero(soft_tissue) < LEAST_BLOCKS:
        return None
    power = float(np.median(removed[soft_tissue])) / (1 - left) ** 2
    return min(left * (2 + 2 * SSIM_C2 / power), LARGEST) if power > 0 else LARGEST


def _share(removed: Blocks, source: Values, means: Blocks, lung: Mask) -> float | None:
    if np.count_nonzero(lung) < LEAST_BLOCKS:
        return None
    variance = float(np.median((block_means(source * source) - means * means)[lung]))
    return float(np.median(removed[lung])) / variance if variance > 0 else None


def _lung(blocks: SliceBlocks) -> Mask:
    """Without the rim where skin and air mix to a lung's values."""
    alike = (blocks.smooth >= LUNG_HU[0]) & (blocks.smooth < LUNG_HU[1])
    within: Mask = ndimage.binary_erosion(alike, iterations=RIM)
    return within


def _thinned(values: Values) -> Values:
    """The rows of every second row of blocks, (rows // 8 * 4, columns)."""
    rows, columns = (side - side % BLOCK for side in values.shape)
    by_block = values[:rows, :columns].reshape(rows // BLOCK, BLOCK, columns)
    return by_block[::EVERY].reshape(-1, columns)
