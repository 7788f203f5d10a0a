"""The evaluation cases: held-out slices x doses, each with fixed noise."""

from __future__ import annotations

import numpy as np

from .noise_bank import Setting, simulate
from .projection import KERNELS, FloatArray, ParallelBeam
from .slices import Slice, split_patients

DOSES = (0.05, 0.10, 0.25, 0.50)
SLICES_PER_PATIENT = 3
VOLUME_STEP = 12  # every 12th slice of a held-out volume
SEED = 4242


def held_out(slices: list[Slice]) -> list[int]:
    """Indices of the evaluated slices."""
    _, held = split_patients(slices)
    chosen: list[int] = []
    for patient in sorted(held):
        mine = [i for i, s in enumerate(slices) if s.patient == patient]
        volume = slices[mine[len(mine) // 2]].neighbours != (mine[len(mine) // 2],) * 2
        chosen += mine[VOLUME_STEP // 2 :: VOLUME_STEP] if volume else mine[:SLICES_PER_PATIENT]
    return chosen


def drawn_noise(slices: list[Slice], index: int, setting: Setting, beam: ParallelBeam) -> FloatArray:
    """A slice's noise in HU: the same on every call."""
    rng = np.random.default_rng([SEED, index, KERNELS.index(setting.kernel), round(setting.dose * 1000)])
    return simulate(beam, slices[index], setting, rng)[0]
