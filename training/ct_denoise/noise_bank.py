"""A bank of simulated dose-reduction noise, drawn once so that training only adds it.

One realisation is the noise image (HU) that brings one slice from its own dose to a fraction of it. The dose
fraction is defined by the noise: at fraction d the added variance is (1/d - 1) times the variance the
reference itself carries, whatever kernel shapes it. Slices of one volume share dose and kernel within a
realisation but never the noise itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.measures.attainable import even_soft_tissue

from .projection import (
    KERNELS,
    MU_WATER_PER_MM,
    Exposure,
    FloatArray,
    Kernel,
    ParallelBeam,
    detected_photons,
    line_integrals,
    reconstructed_noise,
    sinogram_noise,
)
from .slices import Slice, split_patients

STEP_HU = 0.125  # quantisation of the stored noise
MAXIMUM_ADDED_HU = 160.0  # beyond this no anatomy is left to learn from
REPEATS_ISOLATED, REPEATS_VOLUME = 14, 4


@dataclass(frozen=True)
class Setting:
    """What one realisation simulates."""

    dose: float
    kernel: Kernel
    electronic_photons: float
    modulation: float


def draw_setting(matched: Kernel, rng: np.random.Generator) -> Setting:
    """Dose 5 to 60 % (log-uniform); the reference's own kernel in 60 % of draws, else one step from it."""
    index = KERNELS.index(matched) + int(rng.choice([0, 0, 0, -1, 1]))
    return Setting(
        dose=float(np.exp(rng.uniform(np.log(0.05), np.log(0.6)))),
        kernel=KERNELS[int(np.clip(index, 0, len(KERNELS) - 1))],
        electronic_photons=float(rng.uniform(0.0, 12.0)),
        modulation=float(rng.uniform(0.0, 0.7)),
    )


def full_dose_photons(
    beam: ParallelBeam, integrals: FloatArray, mask: np.ndarray, item: Slice, setting: Setting
) -> float:
    """Photons per bin at which the simulated full-dose scan has the reference's own noise in soft tissue."""
    trial = Exposure(1.0e6, 1.0, modulation=setting.modulation)
    variance = 1.0 / detected_photons(integrals, trial)
    response = beam.filter_response(setting.kernel, item.spacing_mm)
    energy = float((np.fft.irfft(response, n=beam.bins) ** 2).sum())
    spread = beam.back_project(variance, np.ones_like(response))[mask]
    unit = np.sqrt(max(float(spread.mean()), 1e-12) * np.pi / beam.views * energy)
    unit *= 1000.0 / (MU_WATER_PER_MM * item.spacing_mm)
    return float(1.0e6 * (unit / item.noise_hu) ** 2)


def simulate(
    beam: ParallelBeam, item: Slice, setting: Setting, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """Noise image (HU) and its standard deviation in soft tissue (HU)."""
    image = item.hu.astype(np.float32)
    mask = even_soft_tissue(image)
    if mask.sum() < 500:
        mask = image > -200
    integrals = line_integrals(beam, image, item.spacing_mm)
    photons = full_dose_photons(beam, integrals, mask, item, setting)
    lowest = 1.0 / (1.0 + (MAXIMUM_ADDED_HU / item.noise_hu) ** 2)
    exposure = Exposure(photons, max(setting.dose, lowest), setting.electronic_photons, setting.modulation)
    drawn = sinogram_noise(integrals, exposure, rng)
    noise = reconstructed_noise(beam, drawn, setting.kernel, item.spacing_mm)
    wanted = item.noise_hu * np.sqrt(1.0 / exposure.dose - 1.0)
    # The analytic calibration holds to a few per cent; this makes the dose exact.
    noise *= wanted / noise[mask].std()
    return noise, float(wanted)


def build(slices: list[Slice], bank: Path, seed: int, most_repeats: int = REPEATS_ISOLATED) -> None:
    """Draw the bank for all training slices into the folder `bank`."""
    bank.mkdir(parents=True, exist_ok=True)
    training, _ = split_patients(slices)
    beam = ParallelBeam()
    jobs = [
        (i, r)
        for i, s in enumerate(slices)
        if s.patient in training
        for r in range(min(repeats(s, i), most_repeats))
    ]
    store = np.lib.format.open_memmap(bank / "noise.npy", "w+", np.int16, (len(jobs), 512, 512))
    rows = np.zeros(len(jobs), [("slice", "i4"), ("repeat", "i4"), ("added_hu", "f4"), ("matched", "?")])
    shared: dict[tuple[str, int], Setting] = {}
    for row, (index, repeat) in enumerate(jobs):
        item, rng = slices[index], np.random.default_rng([seed, index, repeat])
        setting = draw_setting(item.kernel, rng)
        if item.neighbours != (index, index):
            setting = shared.setdefault((item.patient, repeat), setting)
        noise, added = simulate(beam, item, setting, rng)
        store[row] = np.clip(np.rint(noise / STEP_HU), -32767, 32767).astype(np.int16)
        rows[row] = (index, repeat, added, setting.kernel == item.kernel)
        if row % 100 == 0:
            print(f"noise bank {row}/{len(jobs)}", flush=True)
    store.flush()
    np.save(bank / "rows.npy", rows)


def repeats(item: Slice, index: int) -> int:
    """Realisations of a slice: volumes have many alike slices and need fewer of each."""
    return REPEATS_ISOLATED if item.neighbours == (index, index) else REPEATS_VOLUME
