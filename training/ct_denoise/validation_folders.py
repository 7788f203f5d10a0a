"""The held-out patients as DICOM series: ``python -m training.ct_denoise.validation_folders OUT``.

Writes OUT/input/<group>/<case>/*.dcm, OUT/reference/<case>/*.dcm for `orthogen evaluate --groups` and
OUT/bounds.json: per patient (by the digest that evaluation.json has as its key) and group the mean of the
least RMSE that any method can reach (see `cases.Case.bound_hu`).
A group is the class of the reference and the dose, such as ``smooth-25``; the kernel is the reference's own.

With ``--series FOLDER ...`` the same of other DICOM series, for which a group is the folder's name and the
dose; at dose 100 no noise is added, so that the figures say what the model does to the series as acquired.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pipelines.measures.regions import body_mask

from .cases import DOSES, drawn_noise, held_out
from .noise_bank import Setting
from .projection import FloatArray, ParallelBeam
from .slices import CLIP_HU, Slice, load_slices

MIDDLE_SLICES = 5
OTHER_DOSES = (0.25, 0.50, 1.00)

Bounds = dict[str, list[float]]  # by group, one per slice


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


def noisy_stack(
    slices: list[Slice], stack: Stack, dose: float, beam: ParallelBeam
) -> tuple[FloatArray, list[float]]:
    """The series at a dose in whole HU, and each slice's bound over the body."""
    images, bounds = [], []
    setting = Setting(dose, stack.item.kernel, 6.0, 0.4)
    for i in stack.members:
        noise, added = drawn_noise(slices, i, setting, beam)
        reference, own = slices[i].hu.astype(np.float32), slices[i].noise_hu
        spread = float(np.sqrt(np.mean(noise[body_mask(reference)] ** 2)))
        bounds.append(spread * own / float(np.hypot(own, added)))
        images.append(np.clip(np.rint(reference + noise), *CLIP_HU))
    return np.stack(images).astype(np.float32), bounds


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
) -> Bounds:
    """A stack as reference and, for each group, at its dose; the bounds, one per slice."""
    references = np.stack([slices[i].hu for i in stack.members]).astype(np.float32)
    references = np.clip(references, *CLIP_HU)
    write_series(references, stack, f"reference/{stack.name}", out / "reference" / stack.name)
    bounds = Bounds()
    for group, dose in groups.items():
        noisy, attainable = (references, [0.0]) if dose == 1.0 else noisy_stack(slices, stack, dose, beam)
        write_series(noisy, stack, f"{group}/{stack.name}", out / "input" / group / stack.name)
        bounds[group] = attainable
    return bounds


@dataclass
class Attainable:
    """The bounds of all patients, one per slice."""

    instance_uids: dict[str, list[str]] = field(default_factory=dict)  # of the references
    bounds: dict[str, Bounds] = field(default_factory=dict)

    def add(self, stack: Stack, bounds: Bounds) -> None:
        """Those of one stack."""
        patient = stack.item.patient
        uids = [instance_uid(f"reference/{stack.name}", number) for number in range(len(stack.members))]
        self.instance_uids.setdefault(patient, []).extend(uids)
        for group, values in bounds.items():
            self.bounds.setdefault(patient, {}).setdefault(group, []).extend(values)

    def by_digest(self) -> dict[str, dict[str, float]]:
        """Means by patient and group."""
        return {
            digest(self.instance_uids[patient]): {g: round(float(np.mean(b)), 4) for g, b in groups.items()}
            for patient, groups in self.bounds.items()
        }


def digest(instance_uids: list[str]) -> str:
    """As `orthogen evaluate` names a patient."""
    return hashlib.sha256("\n".join(sorted(instance_uids)).encode()).hexdigest()[:16]


def write_held_out(data: Path, out: Path) -> Attainable:
    """The held-out patients."""
    slices, beam, attainable = load_slices(data), ParallelBeam(), Attainable()
    for stack in stacks(slices):
        kind = "sharp" if stack.item.sharp else "smooth"
        groups = {f"{kind}-{round(100 * dose):02d}": dose for dose in DOSES}
        attainable.add(stack, write_stack(slices, stack, groups, beam, out))
    return attainable


def write_others(folders: list[Path], out: Path) -> Attainable:
    """Other DICOM series."""
    beam, attainable = ParallelBeam(), Attainable()
    for folder in folders:
        slices, stack = middle_of(folder)
        groups = {f"{folder.name}-{round(100 * dose)}": dose for dose in OTHER_DOSES}
        attainable.add(stack, write_stack(slices, stack, groups, beam, out))
    return attainable


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--series", type=Path, nargs="+", help="folders, each of one DICOM series")
    options = parser.parse_args()
    found = (
        write_others(options.series, options.out)
        if options.series
        else write_held_out(options.data, options.out)
    )
    (options.out / "bounds.json").write_text(json.dumps(found.by_digest(), indent=1) + "\n")


if __name__ == "__main__":
    main()
