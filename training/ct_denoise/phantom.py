"""A water cylinder with inserts: sharpness (MTF) and noise texture (NPS) where the truth is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy import ndimage

from .measures import mean_noise_frequency, peak_frequency, radial_power
from .projection import Exposure, FloatArray, Kernel, ParallelBeam, added_noise

SIZE, SPACING_MM = 512, 0.7
RADIUS_MM = 150.0
INSERT_RADIUS_MM = 12.0
CONTRASTS_HU = (-1000.0, -100.0, 120.0, 300.0, 900.0)  # of the inserts against water
INSERT_RING_MM = 85.0  # distance of the inserts from the centre
Denoise = Callable[[FloatArray], FloatArray]


def insert_centres() -> list[tuple[float, float]]:
    """Row and column of each insert, in pixels, deliberately off the pixel grid."""
    angles = 2 * np.pi * np.arange(len(CONTRASTS_HU)) / len(CONTRASTS_HU) + 0.3
    ring = INSERT_RING_MM / SPACING_MM
    return [(SIZE / 2 + ring * np.sin(a) + 0.13, SIZE / 2 + ring * np.cos(a) + 0.37) for a in angles]


def phantom(kernel: Kernel, inserts: bool) -> FloatArray:
    """The noiseless slice in HU, with the in-plane resolution of `kernel`."""
    fine = 4
    axis = (np.arange(SIZE * fine) + 0.5) / fine - 0.5
    hu = np.full((SIZE * fine, SIZE * fine), -1000.0, np.float32)
    squared = (axis[:, None] - SIZE / 2) ** 2 + (axis[None, :] - SIZE / 2) ** 2
    hu[squared < (RADIUS_MM / SPACING_MM) ** 2] = 0.0
    for (row, column), contrast in zip(insert_centres(), CONTRASTS_HU, strict=True):
        if inserts:
            squared = (axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2
            hu[squared < (INSERT_RADIUS_MM / SPACING_MM) ** 2] = contrast
    coarse = hu.reshape(SIZE, fine, SIZE, fine).mean((1, 3))
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None, :]
    response = kernel.apodisation(np.hypot(fy, fx) / SPACING_MM)
    return scipy.fft.irfft2(scipy.fft.rfft2(coarse) * response, s=coarse.shape).astype(np.float32)


@dataclass(frozen=True)
class Scan:
    """A simulated scan of the phantom: noise of `noise_hu` at full dose in the centre."""

    kernel: Kernel
    noise_hu: float
    dose: float


def scans(
    beam: ParallelBeam, truth: FloatArray, scan: Scan, count: int, rng: np.random.Generator
) -> list[FloatArray]:
    """`count` noisy slices in HU with independent noise at `scan.dose`."""
    middle = np.s_[SIZE // 2 - 40 : SIZE // 2 + 40, SIZE // 2 - 40 : SIZE // 2 + 40]
    trial = added_noise(beam, truth, SPACING_MM, scan.kernel, Exposure(1.0e6, 0.5), rng)[middle].std()
    photons = 1.0e6 * (float(trial) / scan.noise_hu) ** 2
    # The difference formula gives the variance 1/d' - 1: with d' = d / (1 + d) that is all noise at dose d.
    exposure = Exposure(photons, scan.dose / (1 + scan.dose), electronic_photons=4.0)
    draws = (added_noise(beam, truth, SPACING_MM, scan.kernel, exposure, rng) for _ in range(count))
    return [np.clip(truth + noise, -1024, 3071).astype(np.float32) for noise in draws]


def mtf10(slices: list[FloatArray], centre: tuple[float, float]) -> float:
    """Frequency (cycles/mm) of 10 % MTF from the circular edge of an insert (Richard et al. 2012)."""
    row, column = centre
    reach, step = int(1.8 * INSERT_RADIUS_MM / SPACING_MM), 0.2
    y, x = np.mgrid[int(row) - reach : int(row) + reach + 1, int(column) - reach : int(column) + reach + 1]
    distance = np.hypot(y - row, x - column)
    mean = np.mean([s[y, x] for s in slices], axis=0)
    edge_radius = INSERT_RADIUS_MM / SPACING_MM
    bins = np.arange(edge_radius - 8, edge_radius + 8 + step, step)
    index = np.digitize(distance.ravel(), bins)
    inside = np.bincount(index, minlength=len(bins) + 1)[1:-1]
    spread = np.bincount(index, mean.ravel(), len(bins) + 1)[1:-1] / np.maximum(inside, 1)
    centres = bins[:-1] + step / 2
    spread = np.interp(centres, centres[inside > 0], spread[inside > 0])
    line = np.diff(ndimage.gaussian_filter1d(spread, 1.0)) * np.hanning(len(spread) - 1)
    transfer = np.abs(np.fft.rfft(line, 4096))
    frequency = np.fft.rfftfreq(4096, step * SPACING_MM)
    transfer /= transfer[0]
    below = int(np.argmax(transfer < 0.1))
    return float(np.interp(0.1, transfer[below : below - 2 : -1], frequency[below : below - 2 : -1]))


def sharpness(beam: ParallelBeam, scan: Scan, denoise: Denoise, count: int, seed: int) -> dict[str, float]:
    """MTF10 of the output over that of the input, per insert contrast."""
    rng = np.random.default_rng(seed)
    noisy = scans(beam, phantom(scan.kernel, True), scan, count, rng)
    clean = [denoise(s) for s in noisy]
    pairs = zip(CONTRASTS_HU, insert_centres(), strict=True)
    return {f"{contrast:+.0f}": mtf10(clean, c) / mtf10(noisy, c) for contrast, c in pairs}


def texture(beam: ParallelBeam, scan: Scan, denoise: Denoise, count: int, seed: int) -> dict[str, object]:
    """Noise power in water: full dose, input and output; peak and mean frequency against full dose."""
    rng, truth, half = np.random.default_rng(seed), phantom(scan.kernel, False), 32
    full = scans(beam, truth, Scan(scan.kernel, scan.noise_hu, 1.0), count, rng)
    noisy = scans(beam, truth, scan, count, rng)
    sets = {"FullDose": full, "Input": noisy, "Output": [denoise(s) for s in noisy]}
    places = [(SIZE // 2 + dy, SIZE // 2 + dx) for dy in (-70, 0, 70) for dx in (-70, 0, 70)]
    result: dict[str, object] = {}
    peaks, means = {}, {}
    for name, images in sets.items():
        squares = [(i - truth)[r - half : r + half, c - half : c + half] for i in images for r, c in places]
        frequency, power = radial_power(squares, SPACING_MM)
        peaks[name], means[name] = peak_frequency(frequency, power), mean_noise_frequency(frequency, power)
        result[name] = {"Power": power.round(3).tolist(), "NoiseHu": float(np.std(squares))}
        result["FrequencyPerMm"] = frequency.round(4).tolist()
    result["PeakRatio"] = peaks["Output"] / peaks["FullDose"]
    result["MeanFrequencyRatio"] = means["Output"] / means["FullDose"]
    return result
