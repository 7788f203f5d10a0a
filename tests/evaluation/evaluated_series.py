"""DICOM series to evaluate on: a piece of the bundled CT, and the same with noise or blur."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

DEMO = Path(__file__).parents[2] / "demo"
CT_PIECE = np.s_[150:342, 80:272]
Change = Callable[[NDArray[np.float32], int], NDArray[np.float32]]
"""Stored values (rows, columns) of a slice, and its number, to others."""


def unchanged(values: NDArray[np.float32], _index: int) -> NDArray[np.float32]:
    return values


def noisy(deviation: float, seed: int = 0) -> Change:
    """Adds white noise, different in each slice."""

    def add(values: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        noise = np.random.default_rng([seed, index]).normal(0, deviation, values.shape)
        return values + noise.astype(np.float32)

    return add


def write_series(
    folder: Path,
    *,
    slices: int = 4,
    first: int = 0,
    patient: str = "A",
    role: str = "reference",
    change: Change = unchanged,
    study: str = "",
    **attributes: Any,
) -> Path:
    """Slices of the bundled chest CT, from `first` on, as a series of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(sorted((DEMO / "ct_lidc_0314").glob("*.dcm"))[first : first + slices]):
        dataset = dcmread(path)
        dataset.decompress(generate_instance_uid=False)
        place(dataset, patient, role, study or patient)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        values = change(dataset.pixel_array[CT_PIECE].astype(np.float32), index)
        stored = np.clip(np.rint(values), 0, 4095).astype(np.uint16)
        dataset.Rows, dataset.Columns = values.shape
        dataset.PixelData = stored.tobytes()
        dataset.save_as(folder / f"{index:03}.dcm")
    return folder


def place(dataset: Dataset, patient: str, role: str, study: str) -> None:
    """UIDs by patient, study and role, so that no two series share one."""
    dataset.PatientID, dataset.PatientName = f"MRN-{patient}-4711", f"Secret^{patient}"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", study])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", patient, study, role])
    uid = generate_uid(entropy_srcs=[patient, study, role, str(dataset.SOPInstanceUID)])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid


def write_mr_series(
    folder: Path, *, slices: int = 4, role: str = "reference", change: Change = unchanged
) -> Path:
    """Slices of the bundled MR brain."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, path in enumerate(sorted((DEMO / "mr_brain_pd").glob("*.dcm"))[8 : 8 + slices]):
        dataset = dcmread(path)
        dataset.decompress(generate_instance_uid=False)
        place(dataset, "M", role, "M")
        values = change(dataset.pixel_array.astype(np.float32), index)
        dataset.PixelData = np.clip(np.rint(values), 0, 32767).astype(np.int16).tobytes()
        dataset.save_as(folder / f"{index:03}.dcm")
    return folder
