"""A small convolutional VAE on thumbnails (Kingma and Welling 2014, arXiv 1312.6114)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

CHANNELS = (2, 16, 32, 48, 64, 64)
LATENT = 48
SMALLEST = 4
"""Side of the last feature map: 128 halved five times."""
DEVIATION = 0.12
"""Of a pixel from its reconstruction, as the likelihood has it."""


class Vae(nn.Module):
    """(batch, 2, 128, 128) to a normal distribution of 48 numbers, and back."""

    def __init__(self) -> None:
        super().__init__()
        down: list[nn.Module] = []
        for before, after in pairwise(CHANNELS):
            down += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.SiLU()]
        self.encoder = nn.Sequential(*down, nn.Flatten())
        flat = CHANNELS[-1] * SMALLEST**2
        self.mean, self.log_variance = nn.Linear(flat, LATENT), nn.Linear(flat, LATENT)
        up: list[nn.Module] = [nn.Linear(LATENT, flat), nn.Unflatten(1, (CHANNELS[-1], SMALLEST, SMALLEST))]
        for before, after in pairwise(CHANNELS[::-1]):
            up += [nn.SiLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.decoder = nn.Sequential(*up, nn.Sigmoid())

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of the latent, and the reconstruction from it; nothing is left to chance."""
        mean = self.mean(self.encoder(images))
        return mean, self.decoder(mean)

    def loss(self, images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """Negative evidence lower bound per image, in thousands of nats."""
        features = self.encoder(images)
        mean, log_variance = self.mean(features), self.log_variance(features).clamp(-12, 4)
        drawn = mean + torch.randn(mean.shape, generator=chance) * (0.5 * log_variance).exp()
        squares = (self.decoder(drawn) - images).square().sum((1, 2, 3)).mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return (squares / (2 * DEVIATION**2) + divergence) / 1000
