"""What the network is trained to make small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .measures import TISSUES

POOL = 16  # pixels; the mean over squares of this size must not drift
TISSUE = 12.0  # weight of the squared error of the mean over each tissue of a patch
AIR = 3.0  # the same, of air, over that of the other tissues: clipping at -1024 HU pulls its mean
LEAST_PIXELS = 100  # of a tissue, for its mean to count


def tissue_error(difference: Tensor, tissue: Tensor) -> Tensor:
    """Squared error of the mean over each tissue class, summed over classes: one value per patch."""
    total = torch.zeros(len(difference))
    for number in range(1, 2 + len(TISSUES)):
        inside = (tissue == number).float()
        count = inside.sum((1, 2, 3))
        mean = (difference * inside).sum((1, 2, 3)) / count.clamp(min=1.0)
        total = total + (AIR if number == 1 else 1.0) * mean.square() * (count >= LEAST_PIXELS)
    return total


def weighted_loss(
    output: Tensor, target: Tensor, weight: Tensor, tissue: Tensor, means: float = 1.0
) -> Tensor:
    """Root mean square error per patch in units of the attainable error, with means counted again.

    The terms on the means of squares and of tissues, times `means`, keep HU unshifted; the root keeps a few
    edgy patches from ruling the batch.
    """
    difference = output - target
    local = functional.avg_pool2d(difference * weight.sqrt(), POOL)
    drifting = POOL * local.square().mean((1, 2, 3))
    drifting = drifting + TISSUE * weight.amax((1, 2, 3)) * tissue_error(difference, tissue)
    squared = (weight * difference.square()).mean((1, 2, 3)) + means * drifting
    return (squared + 1e-4).sqrt().mean()
