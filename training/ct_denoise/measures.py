"""What is measured on a denoised slice: error, tissue means, noise power, and confidence over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.metrics import structural_similarity

from .projection import FloatArray

WINDOW_HU = (-160.0, 240.0)  # soft-tissue display window (level 40, width 400), for PSNR and SSIM
PADDING_HU = -1024.0  # padding lies here or below
Mask = npt.NDArray[np.bool_]

# Ranges in HU of the smoothed reference; outside-the-body air is told from lung by connection to the border.
TISSUES = {"lung": (-950, -700), "fat": (-130, -70), "soft_tissue": (0, 90), "bone": (250, 1500)}


def body_mask(hu: FloatArray) -> Mask:
    """The body, lungs included: largest connected region above -350 HU, holes filled."""
    labels, count = ndimage.label(
        ndimage.binary_opening(ndimage.gaussian_filter(hu, 1.5) > -350, iterations=3)
    )
    if count == 0:
        return np.zeros(hu.shape, bool)
    sizes = ndimage.sum_labels(np.ones(hu.shape), labels, np.arange(1, count + 1))
    return ndimage.binary_fill_holes(labels == int(np.argmax(sizes)) + 1)


def padding_mask(hu: FloatArray) -> Mask:
    """What the scanner filled in outside its field of view: large areas at the lowest value, and their rim.

    Single pixels of air at the lowest value are noise that was cut off there; they are air.
    """
    filled = ndimage.binary_opening(hu <= PADDING_HU, iterations=4)
    return ndimage.binary_dilation(filled, iterations=6) if filled.any() else filled


def tissue_masks(hu: FloatArray, body: Mask) -> dict[str, Mask]:
    """Interior of each tissue class: thresholds on the smoothed slice, eroded clear of edges."""
    smooth = ndimage.gaussian_filter(hu, 2.0)
    around = ~ndimage.binary_dilation(body, iterations=8)
    masks = {"air": around & (smooth < -960) & ~padding_mask(hu)}
    for name, (low, high) in TISSUES.items():
        thick = 1 if name in ("bone", "fat") else 3
        masks[name] = ndimage.binary_erosion((smooth > low) & (smooth < high) & body, iterations=thick)
    return masks


def rmse(image: FloatArray, reference: FloatArray, mask: Mask) -> float:
    """Root mean square difference in HU within a mask."""
    return float(np.sqrt(np.mean((image[mask].astype(float) - reference[mask]) ** 2)))


def psnr_ssim(image: FloatArray, reference: FloatArray) -> tuple[float, float]:
    """PSNR (dB) and SSIM of two slices clipped to `WINDOW_HU`."""
    low, high = WINDOW_HU
    a, b = np.clip(image, low, high), np.clip(reference, low, high)
    error = float(np.mean((a.astype(float) - b) ** 2))
    ssim = structural_similarity(a, b, data_range=high - low, gaussian_weights=True)
    return 10 * np.log10((high - low) ** 2 / max(error, 1e-9)), float(ssim)


def radial_power(squares: Sequence[FloatArray], spacing_mm: float) -> tuple[FloatArray, FloatArray]:
    """Noise power spectrum, radially averaged: frequency (cycles/mm) and power (HU^2 mm^2)."""
    width = squares[0].shape[0]
    power = np.zeros((width, width))
    for square in squares:
        power += np.abs(np.fft.fft2(_detrended(square))) ** 2
    power *= spacing_mm**2 / width**2 / len(squares)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(width)))
    ring = np.rint(frequency * width).astype(int)
    rings = np.arange(1, width // 2)
    radial = np.array([power[ring == r].mean() for r in rings])
    return (rings / width / spacing_mm).astype(np.float32), radial.astype(np.float32)


def _detrended(square: FloatArray) -> FloatArray:
    """Minus its best-fitting quadratic surface, as is usual before a noise power spectrum (ICRU 87)."""
    y, x = np.mgrid[-1 : 1 : square.shape[0] * 1j, -1 : 1 : square.shape[1] * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    fit, *_ = np.linalg.lstsq(terms, square.ravel().astype(float), rcond=None)
    return (square.ravel() - terms @ fit).reshape(square.shape)


def peak_frequency(frequency: FloatArray, power: FloatArray) -> float:
    """Frequency (cycles/mm) of the maximum of the smoothed radial noise power."""
    return float(frequency[int(np.argmax(ndimage.gaussian_filter1d(power, 1.5)))])


def mean_noise_frequency(frequency: FloatArray, power: FloatArray) -> float:
    """Power-weighted mean radial frequency (cycles/mm): steadier than the peak."""
    weight = power * frequency
    return float((weight * frequency).sum() / weight.sum())


def bootstrap(
    values: Sequence[float], patients: Sequence[str], statistic: Callable[[FloatArray], float] = np.mean
) -> dict[str, float]:
    """Mean over patients with its 95 % interval, patients resampled (2000 times), not slices."""
    by_patient = np.array(
        [np.mean([v for v, q in zip(values, patients, strict=True) if q == p]) for p in sorted(set(patients))]
    )
    rng = np.random.default_rng(0)
    draws = [statistic(rng.choice(by_patient, len(by_patient))) for _ in range(2000)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "Mean": round(float(statistic(by_patient)), 4),
        "Low95": round(float(low), 4),
        "High95": round(float(high), 4),
        "Patients": len(by_patient),
    }
