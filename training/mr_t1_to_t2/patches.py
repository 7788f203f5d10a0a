"""The bank of co-registered training patches, drawn once, and the batches made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.mr_patches import Stack, cut
from training.mr_slices import HEAD_SESSIONS, PERCENTILE, target_scale, training_sessions

OUTSIDE = 0.2
"""Weight of the error outside the brain."""


def pair(sessions: Path, session: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1 over its percentile, T2 in target scale, brain: (slices, rows, columns), on the grid of T1."""
    arrays = np.load(sessions / f"{session}.npz")
    t1, t2 = (arrays[f"on_t1_{contrast}"].astype(np.float32) for contrast in ("T1", "T2"))
    brain = arrays["brain"]
    return t1, np.clip(t2 * target_scale(t2, brain), 0, 6), brain


def stacks(sessions: Path) -> list[Stack]:
    """Every training session; heads also without their skull, volumes of 1 mm also as slices of 3 mm."""
    found: list[Stack] = []
    for session in training_sessions():
        t1, t2, brain = pair(sessions, session)
        if session in HEAD_SESSIONS:
            bare = t1 * brain
            found += [_stack(t1, t2, brain)] * 2
            found.append(_stack(bare / np.percentile(bare, PERCENTILE), t2 * brain, brain))
        else:
            found += [_stack(t1, t2, brain), _stack(_thick(t1), _thick(t2), _thick(brain) > 0.5)]
    return found


def _stack(t1: np.ndarray, t2: np.ndarray, brain: np.ndarray) -> Stack:
    return Stack(torch.from_numpy(np.stack([t1, t2]).astype(np.float16)), torch.from_numpy(brain))


def _thick(volume: np.ndarray) -> np.ndarray:
    """Means of three slices each."""
    whole = len(volume) // 3 * 3
    return volume[:whole].reshape(-1, 3, *volume.shape[1:]).astype(np.float32).mean(1)


def build(pool: list[Stack], count: int, size: int, seed: int) -> Tensor:
    """(count, 5, size, size) float16: three slices of T1, the middle one of T2, the brain."""
    rng = np.random.default_rng([seed, 1])
    bank = torch.empty(count, 5, size, size, dtype=torch.float16)
    for number in range(count):
        patch, brain = cut(pool[rng.integers(len(pool))], size, bool(rng.random() < 0.6), rng)
        bank[number] = torch.cat([patch[0].clamp(min=0), patch[1, 1:2].clamp(min=0), brain[None]])
    return bank


@dataclass(frozen=True)
class Batch:
    """What one iteration sees."""

    t1: Tensor
    """(batch, 3, rows, columns)"""
    t2: Tensor
    """(batch, 1, rows, columns)"""
    weight: Tensor
    """(batch, 1, rows, columns) of the error; its mean is 1."""


class BatchSource:
    """Batches in a fixed order for a seed."""

    def __init__(self, bank: Tensor, seed: int) -> None:
        self._bank = bank
        self._rng = np.random.default_rng([seed, 2])
        self._generator = torch.Generator().manual_seed(seed)

    def batch(self, count: int) -> Batch:
        """Patches of the bank, mirrored or not, T1 in another brightness, gamma, shading and noise."""
        drawn = self._bank[torch.from_numpy(self._rng.integers(len(self._bank), size=count))].float()
        drawn = drawn.flip(3) if self._rng.random() < 0.5 else drawn
        weight = OUTSIDE + (1 - OUTSIDE) * drawn[:, 4:]
        return Batch(self._altered(drawn[:, :3]), drawn[:, 3:4], weight / weight.mean())

    def _altered(self, t1: Tensor) -> Tensor:
        count, size = len(t1), t1.shape[-1]
        shading = torch.from_numpy(self._rng.normal(0, 0.08, (count, 1, 3, 3)).astype(np.float32))
        shading = functional.interpolate(shading, (size, size), mode="bicubic", align_corners=True)
        brightness = torch.from_numpy(self._rng.uniform(0.8, 1.2, (count, 1, 1, 1)).astype(np.float32))
        gamma = torch.from_numpy(self._rng.uniform(0.85, 1.18, (count, 1, 1, 1)).astype(np.float32))
        deviation = torch.from_numpy(self._rng.uniform(0, 0.02, (count, 1, 1, 1)).astype(np.float32))
        ends = torch.from_numpy(self._rng.random(count) < 0.1)
        t1 = brightness * torch.exp(shading) * t1**gamma
        t1 = (t1 + deviation * torch.randn(t1.shape, generator=self._generator)).abs()
        t1[ends] = t1[ends, 1:2].expand(-1, 3, -1, -1)
        return t1
