"""The network: a small residual U-shaped network on a pixel-unshuffled slice.

Input and output (batch, 1, rows, columns) in HU/1000; rows and columns multiples of 8. Pixel unshuffling
(Shi et al. 2016) lets all convolutions run at half resolution or below, which is what makes 512 x 512
affordable on one CPU core. The output is the slice minus an estimate of its noise (residual learning, Zhang
et al. 2017, DnCNN). The strength of the first filters' responses, averaged over 8 x 8 pixels, reaches the
coarsest level directly: in them the noise level shows, by frequency. Nothing normalises over the batch or the
image, so a slice's result does not depend on what else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (32, 48, 96)


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity path."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        return features + self.second(functional.relu(self.first(functional.relu(features))))


class Surround(nn.Module):
    """Wide context at little cost: 7x7 filters per channel, then two 1x1 convolutions, around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        gathered = self.widen(self.gather(functional.relu(features)))
        return features + self.narrow(functional.relu(gathered))


class Rise(nn.Module):
    """From a coarser level to the next finer one: 1x1 convolution, then pixel shuffle by 2."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(coarse, 4 * fine, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, coarse, r, c) to (batch, fine, 2r, 2c)."""
        return functional.pixel_shuffle(self.mix(functional.relu(features)), 2)


class CtDenoiser(nn.Module):
    """A slice in, the denoised slice out."""

    def __init__(self, widths: tuple[int, int, int] = WIDTHS) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.enter = nn.Conv2d(4, half, 3, padding=1)
        self.half_in = nn.Conv2d(half, half, 3, padding=1)
        self.down_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.quarter_in = Residual(quarter)
        self.down_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.eighth = Residual(eighth)
        self.level = nn.Conv2d(half, eighth, 1)
        self.context = nn.Sequential(Surround(eighth), Surround(eighth))
        self.up_quarter = Rise(eighth, quarter)
        self.quarter_out = Residual(quarter)
        self.up_half = Rise(quarter, half)
        self.half_out = Residual(half)
        self.leave = nn.Conv2d(half, 4, 3, padding=1)
        self._initialise()

    def _initialise(self) -> None:
        """Filters without offset at the entrance (HU differences matter), and the identity at the exit."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, Residual):
                module.second.weight.data.mul_(0.3)
            if isinstance(module, Surround):
                nn.init.zeros_(module.narrow.weight)
        entrance = self.enter.weight.data
        entrance[4:] -= entrance[4:].mean(dim=(1, 2, 3), keepdim=True)
        entrance[4:] *= 10.0  # noise of 100 HU becomes an activation of order one
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.level.weight)

    def noise(self, slices: Tensor) -> Tensor:
        """Estimated noise, in units of 100 HU, at half resolution x 4 channels."""
        first = self.enter(functional.pixel_unshuffle(slices, 2))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training and self.half_precision):
            half = self.half_in(functional.relu(first))
            quarter = self.quarter_in(self.down_quarter(functional.relu(half)))
            level = self.level(functional.avg_pool2d(first.abs(), 4))
            eighth = self.context(self.eighth(self.down_eighth(functional.relu(quarter))) + level)
            quarter = self.quarter_out(quarter + self.up_quarter(eighth))
            half = self.half_out(half + self.up_half(quarter))
        return self.leave(functional.relu(half.float()))

    half_precision = True  # bfloat16 inside the trunk while training; evaluation and export are float32

    def forward(self, slices: Tensor) -> Tensor:
        """Denoised slice in HU/1000."""
        return slices - 0.1 * functional.pixel_shuffle(self.noise(slices), 2)
