"""What is watched while training: crops of training patients, so that it decides nothing for the held out."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from . import noise_bank
from .network import CtDenoiser
from .projection import ParallelBeam
from .slices import CLIP_HU, Slice, split_patients

DOSES = (0.05, 0.1, 0.25, 0.5)
CENTRE = np.s_[128:384, 128:384]

Validation = list[tuple[Tensor, Tensor, float]]


def validation_set(slices: list[Slice], seed: int, count: int = 24) -> Validation:
    """Fixed crops of training slices under noise of their own.

    (1, 1, 256, 256) input in HU/1000, (256, 256) reference in HU, attainable RMSE in HU.
    """
    training, _ = split_patients(slices)
    rng, beam = np.random.default_rng([seed, 77]), ParallelBeam()
    pool = [s for s in slices if s.patient in training]
    pool = [s for s in pool if s.neighbours[0] == s.neighbours[1]] or pool
    cases: Validation = []
    for n, choice in enumerate(rng.permutation(len(pool))[:count]):
        item = pool[choice]
        setting = noise_bank.Setting(DOSES[n % len(DOSES)], item.kernel, 8.0, 0.4)
        noise, added = noise_bank.simulate(beam, item, setting, rng)
        reference = item.hu.astype(np.float32)
        noisy = np.clip(reference + noise, *CLIP_HU)[CENTRE] / 1000.0
        bound = item.noise_hu * added / math.hypot(item.noise_hu, added)
        inputs = torch.from_numpy(noisy.astype(np.float32))[None, None]
        cases.append((inputs, torch.from_numpy(reference[CENTRE]), bound))
    return cases


def validate(network: CtDenoiser, cases: Validation) -> float:
    """Mean of RMSE / attainable RMSE over the crops."""
    network.eval()
    with torch.no_grad():
        ratios = [float(((network(x)[0, 0] * 1000 - y) ** 2).mean().sqrt()) / b for x, y, b in cases]
    return float(np.mean(ratios))
