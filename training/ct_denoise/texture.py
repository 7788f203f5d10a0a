"""Noise texture in patients: what becomes of the noise, seen in two noisy versions of one slice.

The denoiser is not linear and the anatomy is not known, but half the difference of two outputs whose inputs
differ in nothing but their noise is noise alone (ICRU 87, section 4; as for iterative reconstruction).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from pipelines.measures.attainable import even_soft_tissue

from .measures import mean_noise_frequency, peak_frequency, radial_power
from .noise_bank import Setting, simulate
from .projection import FloatArray, ParallelBeam
from .slices import CLIP_HU, Slice

Denoise = Callable[[FloatArray], FloatArray]
SQUARE, LEAST = 40, 0.8  # pixels; share of soft tissue in a square
MOST_SQUARES = 12


def squares_in(mask: np.ndarray) -> list[tuple[slice, slice]]:
    """Squares that lie mostly in soft tissue, the fullest first, none overlapping."""
    share = ndimage.uniform_filter(mask.astype(np.float32), SQUARE)
    half = SQUARE // 2
    found: list[tuple[slice, slice]] = []
    share[:half], share[-half:], share[:, :half], share[:, -half:] = 0, 0, 0, 0
    while len(found) < MOST_SQUARES and share.max() >= LEAST:
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(share)), share.shape))
        found.append(np.s_[row - half : row + half, column - half : column + half])
        share[max(row - SQUARE, 0) : row + SQUARE, max(column - SQUARE, 0) : column + SQUARE] = 0
    return found


def texture(
    slices: Sequence[Slice], dose: float, denoise: Denoise, beam: ParallelBeam, seed: int
) -> dict[str, float] | None:
    """Peak and mean frequency of the output's noise over those of the input's; None without soft tissue."""
    inputs: list[FloatArray] = []
    outputs: list[FloatArray] = []
    for number, item in enumerate(slices):
        places = squares_in(even_soft_tissue(item.hu.astype(np.float32)))
        setting, rng = Setting(dose, item.kernel, 6.0, 0.4), np.random.default_rng([seed, number])
        pair = [item.hu + simulate(beam, item, setting, rng)[0] for _ in range(2)] if places else []
        noisy = [np.clip(image, *CLIP_HU).astype(np.float32) for image in pair]
        for images, into in ((noisy, inputs), ([denoise(image) for image in noisy], outputs)):
            into += [(images[0] - images[1])[place] / np.sqrt(2.0) for place in places]
    if not inputs:
        return None
    spacing = float(np.mean([item.spacing_mm for item in slices]))
    (frequency, before), (_, after) = radial_power(inputs, spacing), radial_power(outputs, spacing)
    return {
        "Squares": len(inputs),
        "NoiseInHu": float(np.std(inputs)),
        "NoiseOutHu": float(np.std(outputs)),
        "PeakRatio": peak_frequency(frequency, after) / peak_frequency(frequency, before),
        "MeanFrequencyRatio": mean_noise_frequency(frequency, after)
        / mean_noise_frequency(frequency, before),
    }
