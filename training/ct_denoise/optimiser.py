"""The optimiser: Muon (Jordan et al. 2024) for the inner convolutions, Adam for everything else.

Muon replaces the momentum of a weight matrix by the nearest orthogonal matrix, found by a few Newton-Schulz
iterations, so that all directions of the matrix learn at one rate. It needs fewer iterations than Adam, which
counts where every iteration takes a fifth of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients of the Muon authors
ADAM_SHARE = 0.05  # Adam's rate over Muon's


def learning_rate(iteration: int, progress: float, peak: float, warm_up: int) -> float:
    """Linear warm-up over `warm_up` iterations, half a cosine down to 1 % of the peak; progress is 0 to 1."""
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * cosine * min(1.0, iteration / warm_up)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Roughly the nearest matrix with singular values of one."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


class Muon:
    """Nesterov momentum, made orthogonal, for the weights of convolutions."""

    def __init__(self, weights: Sequence[Tensor], momentum: float = 0.95) -> None:
        self.weights, self.momentum = weights, momentum
        self.moving = [torch.zeros_like(w) for w in weights]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients in place."""
        for weight, moving in zip(self.weights, self.moving, strict=True):
            if weight.grad is None:
                continue
            moving.lerp_(weight.grad, 1.0 - self.momentum)
            ahead = weight.grad.lerp(moving, self.momentum).reshape(len(weight), -1)
            scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
            weight.sub_(orthogonal(ahead).reshape(weight.shape), alpha=rate * scale)


class Optimiser:
    """Both together, at one rate."""

    def __init__(self, network: nn.Module, outer: tuple[nn.Module, ...]) -> None:
        outside = {id(p) for module in outer for p in module.parameters()}
        inner = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1 and id(p) not in outside]
        chosen = {id(p) for p in inner}
        self.muon = Muon(inner)
        self.adam = torch.optim.Adam(
            [p for p in network.parameters() if id(p) not in chosen], betas=(0.9, 0.99)
        )

    def step(self, rate: float) -> None:
        """One update at Muon's `rate`."""
        self.adam.param_groups[0]["lr"] = ADAM_SHARE * rate
        self.muon.step(rate)
        self.adam.step()
