"""The evaluation cases: held-out slices x simulated kernels x doses, each with fixed noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .measures import Mask, body_mask, tissue_masks
from .noise_bank import Setting, simulate
from .projection import KERNELS, FloatArray, Kernel, ParallelBeam
from .slices import CLIP_HU, Slice, split_patients

DOSES = (0.05, 0.10, 0.25, 0.50)
SLICES_PER_PATIENT = 3
VOLUME_STEP = 12  # every 12th slice of a held-out volume, with its real neighbours
CROP = np.s_[96:416, 96:416]  # the central 320 x 320 pixels, where errors and baselines are computed
SEED = 4242


@dataclass
class Case:
    """One low-dose slice: `noisy` (3, 512, 512) in HU, its reference, and what the noise is."""

    name: str
    item: Slice
    kernel: Kernel
    dose: float
    noisy: FloatArray
    reference: FloatArray
    body: Mask  # within the evaluated centre
    tissues: dict[str, Mask]  # of the whole slice
    added_soft_tissue_hu: float
    added_body_hu: float

    @property
    def source(self) -> str:
        """Class of the reference's own kernel."""
        return "sharp" if self.item.sharp else "smooth"

    @property
    def bound_hu(self) -> float:
        """RMSE that perfect knowledge of the anatomy would still leave against the noisy reference.

        sqrt(sf^2 se^2 / (sf^2 + se^2)) = se * sqrt(d), with se taken over the pixels the RMSE is taken over.
        """
        own, added = self.item.noise_hu, self.added_soft_tissue_hu
        return self.added_body_hu * own / float(np.hypot(own, added))


def held_out(slices: list[Slice]) -> list[int]:
    """Indices of the evaluated slices."""
    _, held = split_patients(slices)
    chosen: list[int] = []
    for patient in sorted(held):
        mine = [i for i, s in enumerate(slices) if s.patient == patient]
        volume = slices[mine[len(mine) // 2]].neighbours != (mine[len(mine) // 2],) * 2
        chosen += mine[VOLUME_STEP // 2 :: VOLUME_STEP] if volume else mine[:SLICES_PER_PATIENT]
    return chosen


def kernels_for(item: Slice) -> list[Kernel]:
    """The kernel that matches the reference's own noise, one step softer and one step sharper."""
    index = KERNELS.index(item.kernel)
    return [KERNELS[i] for i in (index - 1, index, index + 1) if 0 <= i < len(KERNELS)]


def cases(slices: list[Slice], beam: ParallelBeam, wanted: set[str] | None = None) -> Iterator[Case]:
    """All cases (or those `wanted`) in a fixed order; noise depends on slice, kernel and dose alone."""
    for index in held_out(slices):
        item = slices[index]
        reference = item.hu.astype(np.float32)
        inside = np.zeros(reference.shape, bool)
        inside[CROP] = True
        whole = body_mask(reference)
        body, tissues = whole & inside, tissue_masks(reference, whole)
        for kernel in kernels_for(item):
            for dose in DOSES:
                name = f"{index}-{kernel.name}-{dose:.2f}"
                if wanted is not None and name not in wanted:
                    continue
                setting = Setting(dose, kernel, 6.0, 0.4)
                stack, soft, middle = _noisy(slices, index, setting, beam)
                spread = float(np.sqrt(np.mean(middle[body] ** 2)))
                yield Case(name, item, kernel, dose, stack, reference, body, tissues, soft, spread)


def _noisy(
    slices: list[Slice], index: int, setting: Setting, beam: ParallelBeam
) -> tuple[FloatArray, float, FloatArray]:
    """The three noisy slices (noise independent in real neighbours), added deviation, middle's noise."""
    below, above = slices[index].neighbours
    drawn = {}
    for i in {below, index, above}:
        rng = np.random.default_rng([SEED, i, KERNELS.index(setting.kernel), round(setting.dose * 1000)])
        drawn[i] = simulate(beam, slices[i], setting, rng)
    stack = np.stack([slices[i].hu.astype(np.float32) + drawn[i][0] for i in (below, index, above)])
    return np.clip(stack, *CLIP_HU), drawn[index][1], drawn[index][0]
