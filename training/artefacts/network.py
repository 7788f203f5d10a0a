"""A small convolutional network that tells motion and metal in one thumbnail."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

CHANNELS = (2, 16, 28, 40, 56)
SHOWN = ("Motion", "Metal")


class ArtefactNetwork(nn.Module):
    """(batch, 2, 256, 256) from 0 to 1, to (batch, 2) logits of motion and of metal."""

    def __init__(self) -> None:
        super().__init__()
        first, *more = pairwise(CHANNELS)
        layers: list[nn.Module] = [nn.Conv2d(*first, 8, stride=4, padding=2), nn.ReLU()]
        for before, after in more:
            layers += [nn.BatchNorm2d(before), nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.last = nn.Linear(2 * CHANNELS[-1], len(SHOWN))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, from the mean and the largest of each feature."""
        found = self.features(images)
        return self.last(torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1))
