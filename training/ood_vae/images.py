"""Thumbnails of CT and MR slices for training, split by patient, and how they are varied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, grid_sample

from pipelines.out_of_distribution.thumbnail import thumbnail

from .held_out import HELD_OUT

LEAST_SIGNAL = 0.05
"""Share of a thumbnail above a tenth of its peak below which an MR slice shows next to nothing."""

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Slices:
    """(count, 2, 128, 128) thumbnails and the patient of each."""

    images: Images
    patients: NDArray[np.str_]

    def of(self, held: bool) -> Images:
        """Of the held-out patients, or of the training patients."""
        return self.images[np.isin(self.patients, list(HELD_OUT)) == held]

    def weights(self) -> Images:
        """How often to draw each training slice: a patient counts by the root of the number of slices."""
        names, counts = np.unique(self.patients, return_counts=True)
        by_patient = dict(zip(names.tolist(), counts.tolist(), strict=True))
        drawn = [name for name in self.patients.tolist() if name not in HELD_OUT]
        return np.array([by_patient[name] ** -0.5 for name in drawn], np.float32)


def ct_slices(folder: Path) -> Slices:
    """Every slice of `folder`/*.npz."""
    images, patients = [], []
    for path in sorted(folder.glob("*.npz")):
        archive = np.load(path)
        for values, patient in zip(archive["hu"], archive["patient"], strict=True):
            images.append(thumbnail(values.astype(np.float32), "hounsfield_units"))
            patients.append(str(patient))
    return Slices(np.stack(images), np.array(patients))


def mr_slices(folder: Path) -> Slices:
    """Axial slices of `folder`/*.nii.gz, nose up and the patient's right on the left, as DICOM shows them."""
    images, patients = [], []
    for path in sorted(folder.glob("*.nii.gz")):
        for values in axial(path):
            image = thumbnail(values, "mr_signal")
            if (image[0] > 0.1).mean() > LEAST_SIGNAL:
                images.append(image)
                patients.append(patient_of(path))
    return Slices(np.stack(images), np.array(patients))


def patient_of(path: Path) -> str:
    """`openms_p01_s2_T1W.nii.gz` is patient openms_p01, whatever session and contrast."""
    parts = path.name.split("_")
    return "_".join(parts[:3] if parts[1] in ("mni", "du", "fg") else parts[:2])


def axial(path: Path) -> Iterator[Images]:
    """(rows, columns) of each axial slice: rows run to posterior, columns to the patient's left."""
    volume = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asarray(volume.dataobj, np.float32)
    values = values[..., 0] if values.ndim == 4 else values
    for place in range(0, values.shape[2], max(1, values.shape[2] // 60)):
        yield np.ascontiguousarray(values[::-1, ::-1, place].T)


def varied(images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """Turned a little, zoomed, moved, brightened and with noise: what scanners and technologists vary."""
    count = len(images)
    angle = 0.12 * torch.randn(count, generator=chance)
    zoom = torch.exp(0.12 * torch.randn(count, generator=chance))
    move = 0.08 * torch.randn(count, 2, generator=chance)
    turned = torch.stack([zoom * angle.cos(), -zoom * angle.sin(), move[:, 0]], 1)
    other = torch.stack([zoom * angle.sin(), zoom * angle.cos(), move[:, 1]], 1)
    grid = affine_grid(torch.stack([turned, other], 1), list(images.shape), align_corners=False)
    seen = grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    noise = 0.04 * torch.rand(count, 1, 1, 1, generator=chance) * torch.randn(images.shape, generator=chance)
    gamma = torch.exp(0.10 * torch.randn(count, 1, 1, 1, generator=chance))
    return (seen.clamp(0, 1) ** gamma + noise).clamp(0, 1)
