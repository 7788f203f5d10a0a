"""The evaluation cases: held-out slices x simulated kernels x doses, each with fixed noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .measures import Mask, body_mask, tissue_masks
from .noise_bank import Setting, simulate
from .projection import KERNELS, FloatArray, Kernel, ParallelBeam
from .slices import CLIP_HU, Slice, soft_tissue_mask, split_patients

DOSES = (0.05, 0.10, 0.25, 0.50)
SLICES_PER_PATIENT = 3
VOLUME_STEP = 12  # every 12th slice of a held-out volume
CROP = np.s_[96:416, 96:416]  # the central 320 x 320 pixels, where errors and baselines are computed
SEED = 4242


@dataclass
class Case:
    """One low-dose slice (512, 512) in HU, its reference, and what the noise is."""

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
    fine_noise_hu: float  # the reference's own noise by its fine detail, see `fine_noise`

    @property
    def source(self) -> str:
        """Class of the reference's own kernel."""
        return "sharp" if self.item.sharp else "smooth"

    @property
    def bound_hu(self) -> float:
        """RMSE that perfect knowledge of the anatomy would still leave against the noisy reference.

        The mean over the pixels x of sf(x)^2 se(x)^2 / (sf(x)^2 + se(x)^2). Both vary over the slice in the
        same way, sf(x)^2 = se(x)^2 d/(1 - d), so that this is d times the mean of se(x)^2, which is taken
        over the pixels the RMSE is taken over.
        """
        return self._bound(self.item.noise_hu)

    @property
    def fine_bound_hu(self) -> float:
        """The same with the reference's noise taken from its fine detail."""
        return self._bound(self.fine_noise_hu)

    def _bound(self, own: float) -> float:
        return self.added_body_hu * own / float(np.hypot(own, self.added_soft_tissue_hu))


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
        soft_tissue = soft_tissue_mask(reference)
        for kernel in kernels_for(item):
            for dose in DOSES:
                name = f"{index}-{kernel.name}-{dose:.2f}"
                if wanted is not None and name not in wanted:
                    continue
                setting = Setting(dose, kernel, 6.0, 0.4)
                noise, soft = drawn_noise(slices, index, setting, beam)
                spread = float(np.sqrt(np.mean(noise[body] ** 2)))
                noisy = np.clip(reference + noise, *CLIP_HU)
                fine = fine_noise(reference, noise, soft_tissue) or item.noise_hu
                yield Case(name, item, kernel, dose, noisy, reference, body, tissues, soft, spread, fine)


def fine_noise(reference: FloatArray, noise: FloatArray, soft_tissue: Mask) -> float | None:
    """Noise of a reference in HU, from noise of the same kernel: as much of it as has the same fine detail.

    Compared is the median deviation from a Gaussian of 1 pixel, where anatomy hardly counts and low
    frequencies, which anatomy hides, are made up for by the simulated noise's. None without soft tissue.
    """
    if soft_tissue.sum() < 500:
        return None
    own, added = (float(np.median(np.abs(_fine(image)[soft_tissue]))) for image in (reference, noise))
    return own / added * float(noise[soft_tissue].std())


def _fine(image: FloatArray) -> FloatArray:
    return image - ndimage.gaussian_filter(image, 1.0)


def drawn_noise(
    slices: list[Slice], index: int, setting: Setting, beam: ParallelBeam
) -> tuple[FloatArray, float]:
    """A slice's noise in HU and its deviation in soft tissue: the same on every call."""
    rng = np.random.default_rng([SEED, index, KERNELS.index(setting.kernel), round(setting.dose * 1000)])
    return simulate(beam, slices[index], setting, rng)
