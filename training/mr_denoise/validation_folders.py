"""Held-out patients as DICOM: ``python -m training.mr_denoise.validation_folders OUT --sessions SESSIONS``.

OUT/input/NOISE-CONTRAST/PATIENT-CONTRAST are series with simulated noise, OUT/reference/PATIENT-CONTRAST the
acquired ones. The noise is drawn here by NumPy, apart from the training's own code. Then:

    orthogen evaluate --pipeline mr-denoise --input OUT/input --reference OUT/reference --output EVALUATION \\
        --groups --baseline-noise oracle
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from scipy import ndimage

from training.mr_dicom import EvaluationSeries, Values, write
from training.mr_slices import CONTRASTS, HELD_OUT, PERCENTILE

SLICES = 4
"""Of each series, next to each other around its middle."""
DEMO = Path("demo/mr_brain_pd")


@dataclass(frozen=True)
class Noise:
    """Of one group: deviation per channel over the series' 99.5th percentile."""

    group: str
    sigma: float
    coils: int = 1
    varying: bool = False
    """By a factor of 0.6 to 1.6 over the image."""


NOISES = (
    Noise("rician-02", 0.02),
    Noise("rician-05", 0.05),
    Noise("rician-10", 0.10),
    Noise("chi4-varying-05", 0.05, coils=4, varying=True),
)


def noisy(values: Values, noise: Noise, rng: np.random.Generator) -> Values:
    """(slices, rows, columns): magnitude of `coils` complex channels, non-central chi (1 is Rician)."""
    strength: Values | float = noise.sigma
    if noise.varying:
        field = ndimage.zoom(rng.uniform(-1, 1, (3, 3)), np.array(values.shape[1:]) / 3, order=3)
        strength = noise.sigma * np.exp(0.47 * np.clip(field, -1, 1))
    squares = (values + strength * rng.standard_normal(values.shape)) ** 2
    for _ in range(2 * noise.coils - 1):
        squares += (strength * rng.standard_normal(values.shape)) ** 2
    return np.sqrt(squares).astype(np.float32)


def middle(values: Values) -> Values:
    """The `SLICES` in the middle."""
    first = (len(values) - SLICES) // 2
    return values[first : first + SLICES]


def references(sessions: Path) -> Iterator[tuple[EvaluationSeries, Values]]:
    """Every held-out series on its own grid, and the demo's proton density series."""
    for session in HELD_OUT:
        arrays = np.load(sessions / f"{session}.npz")
        for contrast in CONTRASTS:
            values = arrays[f"native_{contrast}"].astype(np.float32)
            yield _described(session, contrast, arrays[f"native_spacing_mm_{contrast}"]), middle(values)
    files = sorted((dcmread(path) for path in DEMO.glob("*.dcm")), key=_height)
    values = np.stack([file.pixel_array for file in files]).astype(np.float32)
    spacing = np.array([_height(files[1]) - _height(files[0]), *map(float, files[0].PixelSpacing)])
    yield _described("demo_brain", "PD", spacing), middle(values / np.percentile(values, PERCENTILE))


def _height(file: Dataset) -> float:
    """Along the normal of the slices, mm."""
    axes = np.asarray(file.ImageOrientationPatient, np.float64)
    return float(np.cross(axes[:3], axes[3:]) @ np.asarray(file.ImagePositionPatient, np.float64))


def _described(patient: str, contrast: str, spacing_mm: np.ndarray) -> EvaluationSeries:
    between, row, column = (float(abs(length)) for length in spacing_mm)
    return EvaluationSeries(patient, f"{patient}-{contrast}", "reference", contrast, (between, row, column))


def write_all(out: Path, sessions: Path) -> None:
    """References once, inputs once for each of `NOISES`."""
    for number, (series, values) in enumerate(references(sessions)):
        write(out / "reference" / series.study, series, values)
        for place, noise in enumerate(NOISES):
            rng = np.random.default_rng([20261122, number, place])
            described = EvaluationSeries(
                series.patient, series.study, noise.group, series.contrast, series.spacing_mm
            )
            folder = out / "input" / f"{noise.group}-{series.contrast}" / series.study
            write(folder, described, noisy(values, noise, rng))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sessions", type=Path, required=True, help="folder written by training.mr_slices")
    options = parser.parse_args()
    write_all(options.out, options.sessions)


if __name__ == "__main__":
    main()
