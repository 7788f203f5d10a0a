"""The bank of clean training patches, drawn once, and the noisy batches made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.mr_patches import Stack, cut
from training.mr_slices import CONTRASTS, training_sessions

from . import noise
from .network import TIMES, UNIT, kept_variance

NOISY_SOURCES = frozenset({("openms_mni_p07", "FLAIR"), ("openms_mni_p19", "FLAIR")})
"""Left out: their own noise is 4 % of the signal."""
TIME_SHARES = (0.25, 0.25, 0.5)
"""Of the batches; the last is the step from pure noise, on which all others build."""
LOSS_EXPONENT = 1.3
"""Errors grow with the noise to about this power; divided out, so that every level teaches alike."""


def stacks(sessions: Path) -> tuple[list[Stack], list[Stack]]:
    """Each training series on its own grid, and the contrasts of each session on that of T1."""
    alone: list[Stack] = []
    together: list[Stack] = []
    for session in training_sessions():
        arrays = np.load(sessions / f"{session}.npz")
        brain = torch.from_numpy(arrays["brain"])
        together.append(Stack(torch.from_numpy(np.stack([arrays[f"on_t1_{c}"] for c in CONTRASTS])), brain))
        for contrast in CONTRASTS:
            values = torch.from_numpy(arrays[f"native_{contrast}"])
            if (session, contrast) not in NOISY_SOURCES:
                alone.append(Stack(values[None], values > 0.1))
    return alone, together


def mixed(patch: Tensor, rng: np.random.Generator) -> Tensor:
    """(contrasts, 3, r, c) to one contrast, (3, r, c), that none of them is: proton density and others."""
    share = torch.from_numpy(rng.dirichlet(np.ones(len(patch))).astype(np.float32))
    return (patch * share[:, None, None, None]).sum(0)


def bent(patch: Tensor, rng: np.random.Generator) -> Tensor:
    """Another brightness and gamma, the same order of tissues; 0 stays 0."""
    return rng.uniform(0.4, 1.25) * patch.clamp(min=0) ** rng.uniform(0.75, 1.35)


def build(alone: list[Stack], together: list[Stack], count: int, size: int, seed: int) -> Tensor:
    """(count, 3, size, size) float16, clean, the series' 99.5th percentile near 1."""
    rng = np.random.default_rng([seed, 1])
    bank = torch.empty(count, 3, size, size, dtype=torch.float16)
    for number in range(count):
        blend = bool(together) and rng.random() < 0.25
        pool = together if blend else alone
        patch, _ = cut(pool[rng.integers(len(pool))], size, bool(rng.random() < 0.5), rng)
        image = mixed(patch, rng) if blend else patch[0]
        bank[number] = bent(image, rng) if rng.random() < 0.6 else image.clamp(min=0)
    return bank


@dataclass(frozen=True)
class Batch:
    """What one iteration sees; images in network units."""

    slices: Tensor
    noisy: Tensor
    time: Tensor
    clean: Tensor
    weight: Tensor
    """(batch,) of the squared error."""


class BatchSource:
    """Batches in a fixed order for a seed."""

    def __init__(self, bank: Tensor, seed: int) -> None:
        self._bank = bank
        self._rng = np.random.default_rng([seed, 2])
        self._generator = torch.Generator().manual_seed(seed)
        self._kept = kept_variance()

    def batch(self, count: int) -> Batch:
        """Fresh noise on `count` patches of the bank, turned and mirrored at random."""
        clean = self._bank[torch.from_numpy(self._rng.integers(len(self._bank), size=count))].float()
        clean = self._turned(clean)
        draws = [noise.draw(clean.shape[-1], self._rng) for _ in range(count)]
        slices = noise.with_noise(clean, draws, self._generator)
        ends = torch.from_numpy(self._rng.random(count) < 0.2)
        slices[ends] = slices[ends, 1:2].expand(-1, 3, -1, -1)
        target = UNIT * clean[:, 1:2]
        time, noisy = self._diffused(target)
        sigma = torch.tensor([UNIT * how.sigma for how in draws])
        return Batch(UNIT * slices, noisy, time, target, sigma**-LOSS_EXPONENT)

    def _turned(self, clean: Tensor) -> Tensor:
        clean = torch.rot90(clean, int(self._rng.integers(4)), (2, 3))
        clean = clean.flip(1) if self._rng.random() < 0.5 else clean
        return clean.flip(3) if self._rng.random() < 0.5 else clean

    def _diffused(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Times, and x_t; pure noise at the last."""
        time = torch.from_numpy(self._rng.choice(TIMES, len(target), p=TIME_SHARES))
        kept = self._kept[time][:, None, None, None]
        chance = torch.randn(target.shape, generator=self._generator)
        noisy = kept.sqrt() * target + (1 - kept).sqrt() * chance
        return time, torch.where(time[:, None, None, None] == TIMES - 1, chance, noisy)
