"""Generator and discriminator, after pix2pix (Isola et al. 2017, arXiv 1611.07004), small enough for a CPU.

The generator sees three neighbouring T1 slices over the series' 99.5th percentile and gives the middle
slice of a T2 image in which the median of the brain is 0.4. Convolutions run on a pixel-unshuffled slice
(Shi et al. 2016); nothing normalises over batch or image, so a slice's result does not depend on what else
is in the batch, and none of pix2pix's dropout is left: the same input gives the same output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = (32, 64, 96, 128)


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.second.weight.data.mul_(0.3)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        return features + self.second(functional.relu(self.first(functional.relu(features))))  # type: ignore[no-any-return]


class Surround(nn.Module):
    """Wide context at little cost: 7x7 filters per channel, then two 1x1 convolutions, around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        return features + self.narrow(functional.relu(self.widen(self.gather(functional.relu(features)))))  # type: ignore[no-any-return]


class Rise(nn.Module):
    """From a coarser level to the next finer one: 1x1 convolution, then pixel shuffle by 2."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(coarse, 4 * fine, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, coarse, r, c) to (batch, fine, 2r, 2c)."""
        return functional.pixel_shuffle(self.mix(functional.relu(features)), 2)


class Generator(nn.Module):
    """(batch, 3, rows, columns) T1 to (batch, 1, rows, columns) T2; rows and columns multiples of 16."""

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = widths
        self.enter = nn.Conv2d(12, half, 3, padding=1)
        self.half_in = Residual(half)
        self.down_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.quarter_in = Residual(quarter)
        self.down_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.eighth_in = Residual(eighth)
        self.down_sixteenth = nn.Conv2d(eighth, sixteenth, 3, stride=2, padding=1)
        self.deepest = nn.Sequential(Residual(sixteenth), Surround(sixteenth), Surround(sixteenth))
        self.up_eighth = Rise(sixteenth, eighth)
        self.eighth_out = Residual(eighth)
        self.up_quarter = Rise(eighth, quarter)
        self.quarter_out = Residual(quarter)
        self.up_half = Rise(quarter, half)
        self.half_out = Residual(half)
        self.leave = nn.Conv2d(half, 4, 3, padding=1)

    half_precision = True  # bfloat16 inside the trunk while training; evaluation and export are float32

    def forward(self, slices: Tensor) -> Tensor:
        """The middle slice as T2."""
        first = self.enter(functional.pixel_unshuffle(slices, 2))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training and self.half_precision):
            half = self.half_in(first)
            quarter = self.quarter_in(self.down_quarter(functional.relu(half)))
            eighth = self.eighth_in(self.down_eighth(functional.relu(quarter)))
            deepest = self.deepest(self.down_sixteenth(functional.relu(eighth)))
            eighth = self.eighth_out(eighth + self.up_eighth(deepest))
            quarter = self.quarter_out(quarter + self.up_quarter(eighth))
            half = self.half_out(half + self.up_half(quarter))
        return functional.pixel_shuffle(self.leave(functional.relu(half.float())), 2)


class Mirrored(nn.Module):
    """The mean of what the generator makes of a slice and, mirrored back, of its mirror image: the export.

    Brains are nearly alike on both sides, and so were the patches the generator was trained on.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, slices: Tensor) -> Tensor:
        """(batch, 3, rows, columns) T1 to (batch, 1, rows, columns) T2."""
        straight, mirrored = self.generator(slices), self.generator(slices.flip(3)).flip(3)
        return 0.5 * (straight + mirrored)  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """PatchGAN: (batch, 1, r, c) T1 and T2 to a score for each patch of 46 x 46 pixels, spectral norm.

    Miyato et al. 2018, arXiv 1802.05957.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(2, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(4 * width, 1, 4, padding=1)),
        )

    def forward(self, t1: Tensor, t2: Tensor) -> Tensor:
        """(batch, 1, r / 8, c / 8) about; high for pairs that were acquired."""
        return self.layers(torch.cat([t1, t2], 1))  # type: ignore[no-any-return]
