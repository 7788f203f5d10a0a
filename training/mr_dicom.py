"""Evaluation volumes as DICOM series, so that they take the path of every other study.

Their headers are made up and say so: the volumes came without. Repetition, echo and inversion time stand
for the contrast alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

Values = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

STORED = 2000.0
"""Stored value of 1, the 99.5th percentile of a whole series."""
LARGEST = 65535
PADDING = 0

_SEQUENCES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "T1": {"ScanningSequence": "SE", "RepetitionTime": 600, "EchoTime": 12},
        "T2": {"ScanningSequence": "SE", "RepetitionTime": 4000, "EchoTime": 100},
        "PD": {"ScanningSequence": "SE", "RepetitionTime": 2300, "EchoTime": 22},
        "FLAIR": {
            "ScanningSequence": ["SE", "IR"],
            "RepetitionTime": 9000,
            "EchoTime": 120,
            "InversionTime": 2500,
        },
    }
)


@dataclass(frozen=True)
class EvaluationSeries:
    """What one written series is."""

    patient: str
    study: str
    """Series of one study and grid are compared with each other."""
    name: str
    """Makes the series' UID, together with the study."""
    contrast: str
    spacing_mm: tuple[float, float, float]
    """Between slices, rows, columns."""


def uid(*words: str) -> str:
    """The same for the same words (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(sha256('/'.join(words).encode()).digest()[:16])}"


def write(folder: Path, series: EvaluationSeries, values: Values, measured: Mask | None = None) -> None:
    """`values` (slices, rows, columns), 1 at the 99.5th percentile; padding outside `measured`."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = np.clip(np.rint(values * STORED), 0, LARGEST).astype("<u2")
    if measured is not None:
        stored = np.where(measured, np.maximum(stored, 1), PADDING).astype("<u2")
    for index, image in enumerate(stored):
        instance = _instance(series, index, image)
        if measured is not None:
            instance.PixelPaddingValue = PADDING
        instance.save_as(folder / f"{index + 1:03}.dcm", enforce_file_format=True)


def _instance(series: EvaluationSeries, index: int, image: npt.NDArray[np.uint16]) -> Dataset:
    between, row, column = series.spacing_mm
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    values = {
        **_identity(series, index),
        **_SEQUENCES[series.contrast],
        "PixelSpacing": [round(row, 6), round(column, 6)],
        "SliceThickness": round(between, 6),
        "ImagePositionPatient": [0.0, 0.0, round(index * between, 6)],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "Rows": image.shape[0],
        "Columns": image.shape[1],
        "PixelData": image.tobytes(),
    }
    for keyword, value in {**_FIXED, **values}.items():
        setattr(made, keyword, value)
    made["PixelData"].VR = "OW"
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def _identity(series: EvaluationSeries, index: int) -> dict[str, object]:
    return {
        "PatientName": series.patient,
        "PatientID": series.patient,
        "StudyInstanceUID": uid(series.study),
        "SeriesInstanceUID": uid(series.study, series.name),
        "SOPInstanceUID": uid(series.study, series.name, str(index)),
        "FrameOfReferenceUID": uid(series.study, "frame of reference"),
        "StudyID": "1",
        "SeriesNumber": 1,
        "InstanceNumber": index + 1,
        "SeriesDescription": series.name,
    }


_FIXED: Mapping[str, object] = MappingProxyType(
    {
        "SOPClassUID": MRImageStorage,
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ImageComments": "Header made for an evaluation of image processing; acquisition values are nominal",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": "",
        "StudyTime": "",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Manufacturer": "",
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "BodyPartExamined": "BRAIN",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "EchoTrainLength": 1,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
)
