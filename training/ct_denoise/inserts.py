"""Ellipses of known contrast drawn into training slices, so that faint edges are kept, not smoothed away."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from .projection import FloatArray, Kernel

CONTRAST_HU = (20.0, 900.0)  # drawn log-uniformly, either sign
SEMI_AXIS_PIXELS = (3.0, 26.0)


def edge_deviation_pixels(kernel: Kernel, spacing_mm: float) -> float:
    """Deviation of the Gaussian whose transfer function also falls to a half at the kernel's frequency."""
    return max(float(np.sqrt(np.log(2) / 2) / np.pi) / kernel.f50_per_mm / spacing_mm, 0.35)


def ellipse(size: int, blur: float, rng: np.random.Generator) -> FloatArray:
    """One ellipse (size, size), 1 inside and 0 outside, with an edge as wide as the kernel makes it."""
    centre, angle = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
    shortest, longest = np.log(SEMI_AXIS_PIXELS)
    axes = np.exp(rng.uniform(shortest, longest, 2))
    y, x = np.mgrid[:size, :size] - centre[:, None, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(u / axes[0], v / axes[1])
    slope = np.hypot(u / axes[0] ** 2, v / axes[1] ** 2) / np.maximum(radius, 1e-3)
    distance = (1.0 - radius) / np.maximum(slope, 1e-3)  # to first order
    return (0.5 + 0.5 * erf(distance / (blur * np.sqrt(2)))).astype(np.float32)


def drawn(size: int, kernel: Kernel, spacing_mm: float, rng: np.random.Generator) -> FloatArray:
    """One to three ellipses in HU (size, size), to be added to every slice of an example."""
    blur, image = edge_deviation_pixels(kernel, spacing_mm), np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        faintest, strongest = np.log(CONTRAST_HU)
        contrast = float(np.exp(rng.uniform(faintest, strongest))) * float(rng.choice([-1.0, 1.0]))
        image += contrast * ellipse(size, blur, rng)
    return image
