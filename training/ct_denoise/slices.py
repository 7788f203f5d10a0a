"""Full-dose CT slices: loading, patient-wise split, and the noise each reference slice already carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from scipy import ndimage

from pipelines.measures.attainable import even_soft_tissue
from pipelines.measures.noise_level import histogram_peak

from .projection import KERNELS, FloatArray, Kernel

UNKNOWN_THICKNESS_MM = 3.0
CLIP_HU = (-1024.0, 3071.0)  # the engine clips to this before the network sees a slice
SPLIT_SEED = 20261122
HELD_OUT_TCGA = 12
HELD_OUT_VOLUMES = ("ACRIN-FLT-Breast_013",)
# A reference whose own noise matches this simulated kernel or a sharper one is "sharp".
SHARP_F50_PER_MM = 0.60
SHARP_NAMES = ("B50", "B60", "B70", "BONE", "LUNG")  # vendors' names, used where the noise cannot be measured


@dataclass
class Slice:
    """One reference slice; `noise_hu` and `kernel` describe its own noise (see `measure_noise`)."""

    hu: npt.NDArray[np.int16]
    patient: str
    spacing_mm: float
    thickness_mm: float
    source_kernel: str
    neighbours: tuple[int, int]  # indices of the slices below and above; its own index where there is none
    noise_hu: float
    kernel: Kernel

    @property
    def sharp(self) -> bool:
        """Whether the reference's own noise is that of a sharp kernel."""
        return self.kernel.f50_per_mm >= SHARP_F50_PER_MM


def local_deviation(hu: FloatArray, width: int) -> FloatArray:
    """Standard deviation in HU within a square of `width` pixels around each pixel."""
    mean = ndimage.uniform_filter(hu, width)
    return np.sqrt(np.clip(ndimage.uniform_filter(hu * hu, width) - mean * mean, 0.0, None))


def noise_level(hu: FloatArray, spacing_mm: float) -> float:
    """Global noise level in HU: mode of the local deviation in soft tissue (Christianson et al. 2015)."""
    deviation = local_deviation(hu, max(7, round(8.0 / spacing_mm) | 1))[even_soft_tissue(hu)]
    return histogram_peak(deviation) if deviation.size >= 500 else float("nan")


def noise_spectrum(hu: FloatArray, mask: npt.NDArray[np.bool_], width: int = 24) -> FloatArray:
    """Mean radial noise power over 12 bins up to Nyquist, from the quietest squares of soft tissue."""
    area = ndimage.uniform_filter(mask.astype(np.float32), width)
    deviation = local_deviation(hu, width)
    centres = np.argwhere((area > 0.97)[width:-width:6, width:-width:6]) * 6 + width
    if len(centres) < 4:
        return np.full(12, np.nan, np.float32)
    order = np.argsort([deviation[r, c] for r, c in centres])[: max(4, len(centres) // 3)]
    window = np.outer(np.hanning(width), np.hanning(width))
    half, power = width // 2, np.zeros((width, width))
    for row, column in centres[order]:
        square = hu[row - half : row + half, column - half : column + half].astype(float)
        square = square - ndimage.gaussian_filter(square, 6.0, mode="nearest")
        power += np.abs(np.fft.fft2((square - square.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(width)))
    ring = np.clip((frequency * 24).astype(int), 0, 12)
    spectrum = np.array([power[ring == i].mean() for i in range(12)])
    return (spectrum / spectrum.sum()).astype(np.float32)


def mean_frequency(spectrum: FloatArray, spacing_mm: float) -> float:
    """Power-weighted mean frequency in cycles/mm, leaving out what anatomy dominates (first two rings)."""
    ring = np.arange(len(spectrum)) + 0.5
    weight = spectrum[2:] * ring[2:]
    return float((weight * ring[2:]).sum() / weight.sum() / (2 * len(spectrum)) / spacing_mm)


def matched_kernel(spectrum: FloatArray, spacing_mm: float, source_kernel: str) -> Kernel:
    """The simulated kernel whose noise power (ramp x apodisation, squared) is nearest in mean frequency."""
    if not np.isfinite(spectrum).all():
        return KERNELS[3] if source_kernel.startswith(SHARP_NAMES) else KERNELS[1]
    target = mean_frequency(spectrum, spacing_mm)
    frequency = (np.arange(12) + 0.5) / 24 / spacing_mm

    def distance(kernel: Kernel) -> float:
        power = (frequency * kernel.apodisation(frequency) ** 2).astype(np.float32)
        return abs(mean_frequency(power, spacing_mm) - target)

    return min(KERNELS, key=distance)


def _describe(
    hu: npt.NDArray[np.int16], archive: dict[str, np.ndarray], i: int, near: tuple[int, int]
) -> Slice:
    image, spacing = hu.astype(np.float32), float(archive["spacing"][i][0])
    name, spectrum = str(archive["kernel"][i]), noise_spectrum(image, even_soft_tissue(image))
    return Slice(
        hu=hu,
        patient=str(archive["patient"][i]),
        spacing_mm=spacing,
        thickness_mm=float(archive["thickness"][i]),
        source_kernel=name,
        neighbours=near,
        noise_hu=noise_level(image, spacing),
        kernel=matched_kernel(spectrum, spacing, name),
    )


def read_series(folder: Path) -> tuple[FloatArray, float]:
    """A DICOM CT series: (slices, rows, columns) in HU in order of position, and the pixel spacing in mm."""
    images = [pydicom.dcmread(p) for p in sorted(folder.glob("*.dcm"))]
    images.sort(key=lambda d: float(d.get("ImagePositionPatient", (0, 0, 0))[2]))
    stack = [d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in images]
    return np.asarray(stack, np.float32), float(images[0].PixelSpacing[0])


def _archive_of_series(folder: Path, most: int | None) -> dict[str, np.ndarray]:
    """The arrays of an archive, from one DICOM series; its patient is named after the folder."""
    hu, spacing = read_series(folder)
    hu = hu[:most]
    count, first = len(hu), pydicom.dcmread(min(folder.glob("*.dcm")), stop_before_pixels=True)
    return {
        "hu": np.clip(hu, *CLIP_HU).astype(np.int16),
        "spacing": np.full((count, 2), spacing),
        "patient": np.full(count, folder.name),
        "kernel": np.full(count, str(first.get("ConvolutionKernel", ""))),
        "thickness": np.full(count, float(first.get("SliceThickness") or UNKNOWN_THICKNESS_MM)),
    }


def load_slices(folder: Path, most: int | None = None) -> list[Slice]:
    """All slices of `folder`/*.npz, or the first `most` of the DICOM series in `folder`.

    Volumes keep their neighbours, isolated slices are their own.
    """
    archives = [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]
    archives = archives or [_archive_of_series(folder, most)]
    slices: list[Slice] = []
    for archive in archives:
        count, offset = len(archive["hu"]), len(slices)
        volume = len(set(archive["patient"].tolist())) == 1
        for i in range(count):
            below, above = (max(i - 1, 0), min(i + 1, count - 1)) if volume else (i, i)
            slices.append(_describe(archive["hu"][i], archive, i, (offset + below, offset + above)))
    _fill_unmeasured(slices)
    return slices


def _fill_unmeasured(slices: list[Slice]) -> None:
    """A slice with too little soft tissue takes its noise from others of the same kernel."""
    for item in slices:
        if np.isfinite(item.noise_hu):
            continue
        kin = [s for s in slices if s.source_kernel == item.source_kernel and np.isfinite(s.noise_hu)]
        pool = [s for s in kin if s.patient == item.patient] or kin
        pool = pool or [s for s in slices if np.isfinite(s.noise_hu)]
        item.noise_hu = float(np.median([s.noise_hu for s in pool]))


def split_patients(slices: list[Slice]) -> tuple[set[str], set[str]]:
    """Training and held-out patients: fixed seed, a third of the held-out TCGA patients sharp."""
    rng = np.random.default_rng(SPLIT_SEED)
    tcga = sorted({s.patient for s in slices if s.patient.startswith("TCGA")})
    sharp = {s.patient for s in slices if s.sharp}
    first = [p for p in rng.permutation(tcga) if p in sharp][: HELD_OUT_TCGA // 3]
    rest = [p for p in rng.permutation(tcga) if p not in sharp][: HELD_OUT_TCGA - len(first)]
    held = {str(p) for p in [*first, *rest]} | set(HELD_OUT_VOLUMES)
    return {s.patient for s in slices} - held, held
