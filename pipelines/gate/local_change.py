"""Where a result was changed more than its noise explains: a lesion gone or added, a vessel cut.

The change is averaged over 12 x 12 pixels, which leaves little of any noise, and divided by what is to be
expected there: the usual size of that average in the slice, and a twentieth of the source's own slope, since
a shift of an edge by a fraction of a pixel is no loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.blocks import BLOCK, Blocks, Mask, SliceBlocks, mean_of_neighbours, middle
from pipelines.volume import Quantity

EDGE_SHARE = 0.05
LEAST_BLOCKS = 50
"""Blocks of tissue without which a slice is not judged."""
AIR_HU = -950.0
DARKEST_SIGNAL = 0.1
"""Of the slice's 99th percentile; below lies background."""
LEAST_USUAL_HU, LEAST_USUAL_SHARE = 0.25, 1e-3
"""Least usual change, the latter of the 99th percentile of the signal. Where a pipeline changes next to
nothing, or everything alike, the median change is about 0, and any change a multiple of it without end.
A least of 1 HU would no longer see weak lesions after a gentle denoiser."""


@dataclass(frozen=True)
class LocalChange:
    """How often each place's change is what is usual in the slice."""

    map: Blocks
    """(rows // 4, columns // 4); 0 outside tissue. Negative: the result is darker."""
    peak: float
    """The largest size in the map."""
    place: tuple[int, int]
    """Row and column of that, in pixels."""


def local_change(blocks: SliceBlocks, quantity: Quantity) -> LocalChange | None:
    """None where there is too little tissue to say what is usual."""
    inside, unit = tissue(blocks, quantity)
    least = LEAST_USUAL_HU if quantity == "hounsfield_units" else LEAST_USUAL_SHARE * unit
    if np.count_nonzero(inside) < LEAST_BLOCKS:
        return None
    change = mean_of_neighbours(blocks.shift)
    found = change[inside]
    usual = 1.4826 * middle(np.abs(found - np.float32(middle(found))))
    expected = max(usual, least) + EDGE_SHARE * blocks.gradient
    ratio = np.where(inside, change / expected, np.float32(0)).astype(np.float32)
    row, column = np.unravel_index(np.abs(ratio).argmax(), ratio.shape)
    place = (int(row) * BLOCK + BLOCK // 2, int(column) * BLOCK + BLOCK // 2)
    return LocalChange(ratio, float(np.abs(ratio[row, column])), place)


def tissue(blocks: SliceBlocks, quantity: Quantity) -> tuple[Mask, float]:
    """Blocks that are not background, and the unit changes are seen in."""
    if quantity == "hounsfield_units":
        return blocks.measured & (blocks.smooth > AIR_HU), 1.0
    peak = float(np.percentile(blocks.smooth, 99))
    return blocks.measured & (blocks.smooth > DARKEST_SIGNAL * peak), max(peak, 1e-12)
