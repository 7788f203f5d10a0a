"""Dose reduction simulated in the projection domain, added to reconstructed CT slices.

Reconstruction is linear, so only the *noise* needs reconstructing: the slice is forward projected once, noise
of a lower exposure is drawn in the sinogram, reconstructed by filtered back-projection with an apodised ramp,
and added to the untouched slice. Resolution and texture of the original stay; the noise is correlated and
streaky as the attenuation along each ray dictates.

Geometry: parallel beam over 180 degrees, detector pitch = pixel spacing. Both operators go through the
Fourier slice theorem by Kaiser-Bessel gridding (O'Sullivan 1985; Beatty, Nishimura and Pauly 2005). Noise:
compound of quantum (Poisson) and electronic (normal) noise of the *difference* between two exposures (Zabic
et al. 2013, Med. Phys. 40:031102; Yu et al. 2012). The logarithm is linearised, so the added noise has zero
mean: photon-starvation bias, which scanners correct for on their own, is deliberately not simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

FloatArray = npt.NDArray[np.float32]

MU_WATER_PER_MM = 0.0195  # linear attenuation of water near 70 keV, the mean energy of a 120 kVp beam


@dataclass(frozen=True)
class Kernel:
    """Apodisation of the ramp: ``exp(-ln2 * (f / f50)**power)``, `f50` in cycles/mm."""

    name: str
    f50_per_mm: float
    power: float

    def apodisation(self, frequency_per_mm: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Amplitude at each frequency (cycles/mm), 1 at zero."""
        return np.exp(-np.log(2.0) * (frequency_per_mm / self.f50_per_mm) ** self.power)


# From soft to sharp; f50 spans what vendors' body, lung and bone kernels reach at 50 % MTF.
KERNELS: tuple[Kernel, ...] = (
    Kernel("soft", 0.28, 2.0),
    Kernel("standard", 0.36, 2.0),
    Kernel("medium", 0.46, 2.5),
    Kernel("sharp", 0.60, 3.0),
    Kernel("edge", 0.80, 4.0),
)


class ParallelBeam:
    """Forward projection and filtered back-projection of square slices, both by Fourier gridding."""

    def __init__(self, size: int = 512, views: int = 720, taps: int = 4) -> None:
        self.size, self.views, self.grid = size, views, 2 * size
        self.bins = 2 * size  # detector length in bins of one pixel; longer than the diagonal
        self._beta = np.pi * np.sqrt((taps / 2) ** 2 * 1.5**2 - 0.8)
        self._to_polar = self._gridding_matrix(taps)
        self._to_grid = self._to_polar.T.tocsr()
        self._deapodisation = self._image_apodisation(taps)
        self.frequency_per_bin = np.fft.rfftfreq(self.bins)  # cycles per bin
        position = np.arange(self.bins) - self.bins // 2
        self._centring = np.exp(2j * np.pi * self.frequency_per_bin * position[0]).astype(np.complex64)

    def _kernel(self, distance: npt.NDArray[Any], taps: int) -> npt.NDArray[np.float64]:
        inside = np.clip(1.0 - (2.0 * distance / taps) ** 2, 0.0, None)
        return np.where(np.abs(distance) <= taps / 2, np.i0(self._beta * np.sqrt(inside)), 0.0)

    def _gridding_matrix(self, taps: int) -> scipy.sparse.csr_matrix:
        angles = np.arange(self.views) * np.pi / self.views
        radius = np.arange(self.bins // 2 + 1) * (self.grid / self.bins)
        u = np.outer(np.cos(angles), radius).ravel()  # along columns, in grid cells
        v = np.outer(np.sin(angles), radius).ravel()  # along rows
        steps = np.arange(taps) - taps // 2 + 1
        iu, iv = np.floor(u)[:, None] + steps, np.floor(v)[:, None] + steps
        wu, wv = self._kernel(iu - u[:, None], taps), self._kernel(iv - v[:, None], taps)
        weight = (wv[:, :, None] * wu[:, None, :]).reshape(len(u), -1).astype(np.float32)
        column = (iv % self.grid)[:, :, None] * self.grid + (iu % self.grid)[:, None, :]
        column = column.reshape(len(u), -1).astype(np.int32)
        start = np.arange(0, weight.size + 1, taps * taps, dtype=np.int32)
        return scipy.sparse.csr_matrix(
            (weight.ravel(), column.ravel(), start), shape=(len(u), self.grid * self.grid)
        )

    def _image_apodisation(self, taps: int) -> FloatArray:
        fine = np.linspace(-taps / 2, taps / 2, 2001)
        x = np.arange(self.size) - self.size // 2
        profile = np.cos(2 * np.pi * np.outer(x, fine) / self.grid) @ self._kernel(fine, taps)
        profile *= fine[1] - fine[0]
        return np.outer(profile, profile).astype(np.float32)

    def _apply(
        self, matrix: scipy.sparse.csr_matrix, values: npt.NDArray[np.complex64]
    ) -> npt.NDArray[np.complex64]:
        pairs = np.ascontiguousarray(values.ravel()).view(np.float32).reshape(-1, 2)
        return np.ascontiguousarray(matrix @ pairs).view(np.complex64).ravel()

    def forward(self, image: FloatArray) -> FloatArray:
        """Line integrals (views, bins) of an image (rows, columns), in image unit x pixel."""
        n, m = self.size, self.grid
        padded = np.zeros((m, m), np.float32)
        low = m // 2 - n // 2
        padded[low : low + n, low : low + n] = image / self._deapodisation
        spectrum = scipy.fft.fft2(np.fft.ifftshift(padded)).astype(np.complex64)
        polar = self._apply(self._to_polar, spectrum).reshape(self.views, -1)
        return scipy.fft.irfft(polar * self._centring, n=self.bins, axis=1).astype(np.float32)

    def back_project(self, sinogram: FloatArray, response: npt.NDArray[np.float64]) -> FloatArray:
        """Back-projection (rows, columns) of `sinogram`, each view's spectrum times `response`."""
        n, m = self.size, self.grid
        polar = scipy.fft.rfft(sinogram, axis=1) * np.conj(self._centring) * response
        polar[:, 1:-1] *= 2.0  # the half plane stands for both; the real part is taken below
        grid = self._apply(self._to_grid, polar.astype(np.complex64)).reshape(m, m)
        image = np.fft.fftshift(scipy.fft.ifft2(grid, norm="forward").real)
        low = m // 2 - n // 2
        scale = np.pi / self.views / self.bins
        return (image[low : low + n, low : low + n] * scale / self._deapodisation).astype(np.float32)

    def filter_response(self, kernel: Kernel, spacing_mm: float) -> npt.NDArray[np.float64]:
        """Apodised ramp in cycles/bin, sampled at the detector's frequencies."""
        return self.frequency_per_bin * kernel.apodisation(self.frequency_per_bin / spacing_mm)


@dataclass(frozen=True)
class Exposure:
    """What the simulated scanner does: see `added_noise`."""

    photons: float  # per detector bin and view behind no attenuation, at full dose
    dose: float  # fraction of the full dose, 0 to 1
    electronic_photons: float = 8.0  # standard deviation of electronic noise, in detected photons
    modulation: float = 0.4  # strength of angular tube current modulation, 0 (none) to 1 (equal photons)


def line_integrals(beam: ParallelBeam, image_hu: FloatArray, spacing_mm: float) -> FloatArray:
    """Attenuation line integrals (dimensionless) of a slice in HU; nothing attenuates below -1000 HU."""
    mu = np.clip(1.0 + image_hu / 1000.0, 0.0, None) * (MU_WATER_PER_MM * spacing_mm)
    return np.clip(beam.forward(mu.astype(np.float32)), 0.0, None)


def detected_photons(integrals: FloatArray, exposure: Exposure) -> FloatArray:
    """Mean photons per bin at full dose, with angular tube current modulation."""
    peak = integrals.max(axis=1, keepdims=True)
    tube = np.exp(exposure.modulation * (peak - peak.mean()))
    return np.clip(exposure.photons * tube * np.exp(-integrals), 2.0, None).astype(np.float32)


def sinogram_noise(integrals: FloatArray, exposure: Exposure, rng: np.random.Generator) -> FloatArray:
    """Zero-mean noise of the line integrals that turns a full-dose scan into one at `exposure.dose`."""
    full = detected_photons(integrals, exposure)
    quantum = full / (1.0 / exposure.dose - 1.0)  # Poisson mean whose relative variance is the added one
    drawn = rng.poisson(quantum).astype(np.float32)
    electronic = exposure.electronic_photons * np.sqrt(1.0 / exposure.dose**2 - 1.0) / full
    normal = rng.standard_normal(full.shape, dtype=np.float32)
    # Detectors floor at about one photon: cap the linearised logarithm there so starved rays stay finite.
    return -np.clip((drawn - quantum) / quantum + electronic * normal, -8.0, 8.0)


def reconstructed_noise(
    beam: ParallelBeam, noise: FloatArray, kernel: Kernel, spacing_mm: float
) -> FloatArray:
    """Noise image in HU from sinogram noise."""
    image = beam.back_project(noise, beam.filter_response(kernel, spacing_mm))
    return image * np.float32(1000.0 / (MU_WATER_PER_MM * spacing_mm))


def added_noise(
    beam: ParallelBeam,
    image_hu: FloatArray,
    spacing_mm: float,
    kernel: Kernel,
    exposure: Exposure,
    rng: np.random.Generator,
) -> FloatArray:
    """Noise in HU (rows, columns) to add to a full-dose slice to show it at `exposure.dose`."""
    integrals = line_integrals(beam, image_hu, spacing_mm)
    return reconstructed_noise(beam, sinogram_noise(integrals, exposure, rng), kernel, spacing_mm)
