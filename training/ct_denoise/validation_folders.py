"""The held-out patients as DICOM series: ``python -m training.ct_denoise.validation_folders OUT``.

Writes OUT/input/<group>/<case>/*.dcm and OUT/reference/<case>/*.dcm for `orthogen evaluate --groups`.
A group is the simulated kernel that is nearest to the reference's own, and the dose, such as ``soft-25``.

With ``--series FOLDER ...`` the same of other DICOM series, for which a group is the folder's name and the
dose; at dose 100 no noise is added, so that the figures say what the model does to the series as acquired.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from .cases import DOSES, drawn_noise, held_out
from .noise_bank import Setting
from .projection import FloatArray, ParallelBeam
from .slices import CLIP_HU, Slice, load_slices

MIDDLE_SLICES = 5
OTHER_DOSES = (0.25, 0.50, 1.00)


@dataclass(frozen=True)
class Stack:
    """A held-out slice and its real neighbours, if it has any: (slices, 512, 512) at one dose in HU."""

    name: str
    members: tuple[int, ...]
    item: Slice


def middle_of(folder: Path) -> tuple[list[Slice], Stack]:
    """A DICOM series and its middle slices."""
    slices = load_slices(folder)
    first = max(0, (len(slices) - MIDDLE_SLICES) // 2)
    members = tuple(range(first, min(first + MIDDLE_SLICES, len(slices))))
    return slices, Stack(folder.name, members, slices[members[0]])


def stacks(slices: list[Slice]) -> Iterator[Stack]:
    """One per evaluated place."""
    for index in held_out(slices):
        item = slices[index]
        yield Stack(f"{item.patient}-{index}", tuple(sorted({index, *item.neighbours})), item)


def noisy_stack(slices: list[Slice], stack: Stack, dose: float, beam: ParallelBeam) -> FloatArray:
    """The series at a dose in whole HU."""
    images = []
    setting = Setting(dose, stack.item.kernel, 6.0, 0.4)
    for i in stack.members:
        noise = drawn_noise(slices, i, setting, beam)
        images.append(np.clip(np.rint(slices[i].hu.astype(np.float32) + noise), *CLIP_HU))
    return np.stack(images).astype(np.float32)


def instance_uid(series: str, number: int) -> UID:
    """Follows from the names."""
    return generate_uid(entropy_srcs=["instance", series, str(number)])


def write_series(hu: FloatArray, stack: Stack, series: str, folder: Path) -> None:
    """A CT series in `folder`; UIDs follow from the names, so that every run writes the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(hu):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = instance_uid(series, number)
        file = FileDataset(str(folder), {}, preamble=b"\0" * 128, file_meta=meta)
        file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        describe(file, stack, series, number)
        add_pixels(file, image)
        pydicom.dcmwrite(folder / f"{number:03d}.dcm", file, enforce_file_format=True)


def describe(file: pydicom.Dataset, stack: Stack, series: str, number: int) -> None:
    """Patient, study, series and geometry."""
    item = stack.item
    file.PatientID, file.PatientName = item.patient, item.patient
    for empty in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(file, empty, "")
    file.ReferringPhysicianName = file.Manufacturer = file.PositionReferenceIndicator = ""
    file.StudyInstanceUID = generate_uid(entropy_srcs=["study", stack.name])
    file.SeriesInstanceUID = generate_uid(entropy_srcs=["series", series])
    file.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame", stack.name])
    file.Modality, file.SeriesNumber, file.InstanceNumber = "CT", 1, number + 1
    file.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    file.SeriesDescription = f"simulated dose reduction, {series.split('/')[0]}"
    file.PixelSpacing, file.SliceThickness = [item.spacing_mm] * 2, item.thickness_mm
    file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    file.ImagePositionPatient = [0, 0, number * item.thickness_mm]
    file.ConvolutionKernel, file.KVP = item.source_kernel or "unknown", 120


def add_pixels(file: pydicom.Dataset, hu: FloatArray) -> None:
    """Whole HU from -1024 to 3071 in 12 bits."""
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = -1024, 1, "HU"
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Rows, file.Columns = hu.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.PixelData = (hu + 1024).astype(np.uint16).tobytes()


def write_stack(
    slices: list[Slice], stack: Stack, groups: dict[str, float], beam: ParallelBeam, out: Path
) -> None:
    """A stack as reference and, for each group, at its dose."""
    references = np.stack([slices[i].hu for i in stack.members]).astype(np.float32)
    references = np.clip(references, *CLIP_HU)
    write_series(references, stack, f"reference/{stack.name}", out / "reference" / stack.name)
    for group, dose in groups.items():
        noisy = references if dose == 1.0 else noisy_stack(slices, stack, dose, beam)
        write_series(noisy, stack, f"{group}/{stack.name}", out / "input" / group / stack.name)


def write_held_out(data: Path, out: Path) -> None:
    """The held-out patients."""
    slices, beam = load_slices(data), ParallelBeam()
    for stack in stacks(slices):
        groups = {f"{stack.item.kernel.name}-{round(100 * dose):02d}": dose for dose in DOSES}
        write_stack(slices, stack, groups, beam, out)


def write_others(folders: list[Path], out: Path) -> None:
    """Other DICOM series."""
    beam = ParallelBeam()
    for folder in folders:
        slices, stack = middle_of(folder)
        groups = {f"{folder.name}-{round(100 * dose)}": dose for dose in OTHER_DOSES}
        write_stack(slices, stack, groups, beam, out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--series", type=Path, nargs="+", help="folders, each of one DICOM series")
    options = parser.parse_args()
    if options.series:
        write_others(options.series, options.out)
    else:
        write_held_out(options.data, options.out)


if __name__ == "__main__":
    main()
