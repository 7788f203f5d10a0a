"""Restraint: no more is taken from a slice than can be noise, and never all of what is noise.

Where the change is small against the variation of the source around it (bone, vessels in lung, edges), what
was removed may as well be detail as noise, and little is gained by removing it: its share in the local
variance decides how much of it stands (a Wiener weight, with the removed power for the noise's).

And some noise is left. For noise of power N over a weak structure of power V, SSIM (Wang et al. 2004) against
a scan of twice the dose falls below the source's own as soon as less than 1 / (2 + 2 W / N) of the noise's
amplitude is left, W = 2 V + C2: one half for noise that hides everything. Against a scan of four times the
dose it would still rise, and against any scan of ordinary noise more may go the stronger the noise is. How
strong says its coarse part, which, unlike the fine, depends little on the reconstruction kernel (the noise of
filtered back-projection at low frequencies: Riederer, Pelc and Chesler 1978, Phys Med Biol 23:446), and which
falls with the root of the slice thickness.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipelines.blocks import BLOCK, SOFT_TISSUE_HU, Blocks, block_means, mean_of_neighbours
from pipelines.manifest_part import ManifestPart
from pipelines.volume import SliceGrid

LEAST_BLOCKS = 100
"""Of soft tissue, without which a slice's noise is not measured and none is given back."""
CORRECTIONS = 3
"""Noise falls nearly in proportion to the change: the first brings it near, the others there."""
THICKNESS_MM, THINNEST_MM = 3.0, 1.0
"""Thicker slices are taken for the first, thinner ones for the second."""
PIXELS_MM = (0.5, 1.4)
"""Of the patients that the ordinary noise was chosen and checked on."""
RELIEF = 1.5
"""Chosen, with the ordinary noise that ships, on training patients of `ct-denoise`."""
DEVIATION = 1.4826
"""Of normal values, over the median of their sizes."""
LEAST_POWER = 1e-3
"""HU squared: below it nothing varies."""

Mask = NDArray[np.bool_]
Values = NDArray[np.float32]


class Restraint(ManifestPart):
    """Takes part of the change back; for slices in hounsfield_units.

    What is taken back is the network's own change, smaller: nothing is added that it did not remove.
    """

    kind: Literal["restraint"]
    share_removed: float = Field(gt=0, lt=1)
    """Half of the change is taken back where its power is this share of the source's variance, both over
    12 x 12 pixels; less where it is a larger share, more where it is a smaller."""
    least_noise_left: float = Field(ge=0, lt=1)
    """Of the noise in a slice's soft tissue, as amplitude; where the network leaves less, so much of the
    change is taken back all over the slice that this is left."""
    ordinary_noise_hu: float | None = Field(default=None, gt=0)
    """Coarse noise (means of 4 x 4 pixels of 0.5 to 1.4 mm, soft tissue, for slices of 3 mm) up to which
    that much is left; of n times as much, 1 / n ** 1.5 of it. Null leaves it whatever the noise."""

    def taken_back(self, source: Values, change: Values, measured: Mask, grid: SliceGrid) -> Values:
        """The part of (rows, columns) `change` to take back."""
        stands = weighted(change, self._strength(source, change))
        if (sampled := SampledNoise.of(source, stands, measured)) is not None:
            least = self.least_noise_left * self._relief(sampled.coarse_hu, grid)
            stands *= np.float32(sampled.share_that_leaves(least))
        taken: Values = change - stands
        return taken

    def _relief(self, coarse_hu: float, grid: SliceGrid) -> float:
        """The part of the least noise left that is left of noise so strong."""
        if self.ordinary_noise_hu is None:
            return 1.0
        usual = coarse_hu * (_thickness_mm(grid) / THICKNESS_MM) ** 0.5 * _pixel_factor(grid)
        return float(min(1.0, self.ordinary_noise_hu / max(usual, 1e-6)) ** RELIEF)

    def _strength(self, source: Values, change: Values) -> Blocks:
        """(rows // 4, columns // 4): how much of the change stands, from 0 to 1."""
        removed = mean_of_neighbours(block_means(change * change))
        squares, means = (mean_of_neighbours(block_means(each)) for each in (source * source, source))
        variance = np.maximum(squares - means * means, np.float32(LEAST_POWER))
        return removed / (removed + np.multiply(variance, self.share_removed, dtype=np.float32))


def _thickness_mm(grid: SliceGrid) -> float:
    return min(max(grid.slice_thickness_mm or THICKNESS_MM, THINNEST_MM), THICKNESS_MM)


def _pixel_factor(grid: SliceGrid) -> float:
    """Means over 4 x 4 pixels vary the more the smaller the pixels; 1 for those of the training."""
    row_mm, column_mm = grid.pixel_spacing_mm
    pixel_mm = sqrt(row_mm * column_mm)
    return pixel_mm / min(max(pixel_mm, PIXELS_MM[0]), PIXELS_MM[1])


@dataclass(frozen=True)
class SampledNoise:
    """One pixel of each block of soft tissue, less its block's mean."""

    before: Values
    change: Values
    coarse_hu: float
    """Deviation of the change's means over the blocks."""

    @classmethod
    def of(cls, source: Values, change: Values, measured: Mask) -> SampledNoise | None:
        """None where there is too little soft tissue, or no noise."""
        means = block_means(source)
        smooth, unpadded = mean_of_neighbours(means), block_means((~measured).astype(np.float32)) == 0
        inside = (smooth >= SOFT_TISSUE_HU[0]) & (smooth < SOFT_TISSUE_HU[1]) & unpadded
        rows, columns = (side * BLOCK for side in means.shape)
        sample = np.s_[1:rows:BLOCK, 1:columns:BLOCK]
        before = (source[sample] - means)[inside]
        if before.size < LEAST_BLOCKS or not np.median(np.abs(before)) > 0:
            return None
        coarse = block_means(change)
        deviation = DEVIATION * float(np.median(np.abs(coarse[inside])))
        return cls(before, (change[sample] - coarse)[inside], deviation)

    def left(self, share: float = 1.0) -> float:
        """Noise after that share of the change over noise before it."""
        after = self.before + np.float32(share) * self.change
        return float(np.median(np.abs(after)) / np.median(np.abs(self.before)))

    def share_that_leaves(self, least: float) -> float:
        """How much of the change, at most all, leaves so much of the noise."""
        share = 1.0
        for _ in range(CORRECTIONS):
            if (left := self.left(share)) < least:
                share *= (1 - least) / (1 - left)
        return share


def weighted(change: Values, weights: Blocks) -> Values:
    """`change` times each block's weight at its pixels; unchanged where no whole block lies."""
    product = change.copy()
    rows, columns = (side * BLOCK for side in weights.shape)
    by_block = product[:rows, :columns].reshape(len(weights), BLOCK, columns)  # a view: only rows are split
    by_block *= weights.repeat(BLOCK, 1)[:, np.newaxis]
    return product
