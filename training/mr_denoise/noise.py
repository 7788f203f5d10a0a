"""Noise of magnitude MR images: Rician and non-central chi, of varying strength and spectrum.

The magnitude of L coils combined by sum of squares follows a non-central chi distribution with 2L degrees
of freedom, whatever the coils' sensitivities; L = 1 is Rician (Gudbjartsson and Patz 1995, Magnetic
Resonance in Medicine 34:910; Constantinides et al. 1997, Magnetic Resonance in Medicine 38:852;
Aja-Fernandez and Tristan-Vega 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

LEAST, MOST = 0.003, 0.14
"""Deviation of the noise per channel, in units of the series' 99.5th percentile."""


@dataclass(frozen=True)
class NoiseDraw:
    """How the noise of one patch is made."""

    sigma: float
    coils: int
    strength: Tensor
    """(1, rows, columns): factor on sigma over the image (parallel imaging, coil distance)."""
    passed: Tensor
    """(rows, columns / 2 + 1): spatial frequencies that were measured; the rest was filled with zeros."""
    masked: bool
    """The scanner set the background to zero."""


def draw(size: int, rng: np.random.Generator) -> NoiseDraw:
    """A random choice for patches of `size` pixels."""
    field = torch.zeros(1, 1, 3, 3)
    if rng.random() < 0.5:
        field += torch.from_numpy(rng.normal(0, 0.35, (1, 1, 3, 3)).astype(np.float32))
    smooth = functional.interpolate(field, (size, size), mode="bicubic", align_corners=True)[0]
    share = rng.uniform(0.6, 1.0, 2) if rng.random() < 0.4 else np.ones(2)
    return NoiseDraw(
        sigma=LEAST + (MOST - LEAST) * float(rng.beta(1.1, 1.5)),
        coils=int(rng.choice([1, 2, 4], p=[0.75, 0.15, 0.1])),
        strength=torch.exp(smooth).clamp(0.4, 2.5),
        passed=_passed(size, share),
        masked=bool(rng.random() < 0.35),
    )


def _passed(size: int, share: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Tensor:
    rows = torch.fft.fftfreq(size).abs() <= 0.5 * share[0]
    columns = torch.fft.rfftfreq(size).abs() <= 0.5 * share[1]
    return (rows[:, None] & columns[None, :]).float()


def with_noise(clean: Tensor, draws: list[NoiseDraw], generator: torch.Generator) -> Tensor:
    """(batch, slices, rows, columns) magnitude images with noise, each slice's independent."""
    out = torch.empty_like(clean)
    for number, (image, how) in enumerate(zip(clean, draws, strict=True)):
        out[number] = noisy_magnitude(image, how, generator)
    return out


def noisy_magnitude(image: Tensor, how: NoiseDraw, generator: torch.Generator) -> Tensor:
    """(slices, rows, columns): root of the sum of squares of `coils` complex channels."""
    parts = torch.randn((2 * how.coils, *image.shape), generator=generator)
    if how.passed.min() == 0:
        kept = how.passed.mean().item()
        parts = torch.fft.irfft2(torch.fft.rfft2(parts) * how.passed, s=image.shape[-2:]) / kept**0.5
    parts = parts * (how.sigma * how.strength)
    parts[0] += image
    noisy = parts.square().sum(0).sqrt()
    return torch.where(image < 0.02, 0.0, noisy) if how.masked else noisy
