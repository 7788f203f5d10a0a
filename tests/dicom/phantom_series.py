"""CT and MR series made by code, in every way a source may be encoded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1)

_UID_ROOT = "1.2.826.0.1.3680043.8.498.77"


@dataclass(frozen=True)
class Phantom:
    """A disc in noise; pixels, geometry and header follow from the fields."""

    modality: str = "CT"
    slices: int = 4
    rows: int = 48
    columns: int = 64
    transfer_syntax: str = ImplicitVRLittleEndian
    signed: bool = False
    bits_stored: int = 12
    slope: float = 1.0
    intercept: float | None = None
    padding_value: int | None = None
    padding_limit: int | None = None
    photometric: str = "MONOCHROME2"
    orientation: Sequence[float] = AXIAL
    spacing_mm: float = 2.5
    tilt_mm: float = 0.0
    attributes: tuple[tuple[str, Any], ...] = ()
    """More attributes, or other values; None removes one."""

    @property
    def signal_to_stored(self) -> tuple[float, float]:
        default = -1024.0 if self.modality == "CT" else 0.0
        return self.slope, default if self.intercept is None else self.intercept

    def stored_values(self, index: int) -> NDArray[np.integer[Any]]:
        """(rows, columns): noise over a disc, with the padded border where padding is declared."""
        noise = np.random.default_rng(index)
        highest = (1 << (self.bits_stored - int(self.signed))) - 1
        rows, columns = np.ogrid[: self.rows, : self.columns]
        inside = (rows - self.rows / 2) ** 2 + (columns - self.columns / 2) ** 2 < (self.rows / 2.5) ** 2
        values = np.where(inside, highest // 3, highest // 40 + 1) + noise.integers(
            0, highest // 20 + 2, inside.shape
        )
        if self.signed:
            values = values - highest // 8
        stored = values.astype("<i2" if self.signed else "<u2")
        if self.padding_value is not None:
            stored[:3, :] = self.padding_value
            stored[-1, :] = self.padding_value if self.padding_limit is None else self.padding_limit
        return stored

    def instances(self) -> list[bytes]:
        """One Part 10 file a slice."""
        return [self.instance(index) for index in range(self.slices)]

    def instance(self, index: int) -> bytes:
        dataset = self.dataset(index)
        syntax = UID(self.transfer_syntax)
        stored = self.stored_values(index)
        if syntax == JPEGLosslessSV1:
            return _jpeg_lossless(_written(dataset, stored, ExplicitVRLittleEndian))
        if syntax in COMPRESSED:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.PixelData = stored.tobytes()
            dataset["PixelData"].VR = "OW"
            dataset.compress(syntax, generate_instance_uid=False)
            return bytes_of(dataset)
        return _written(dataset, stored, syntax)

    def dataset(self, index: int) -> Dataset:
        """The header of one slice."""
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        for keyword, value in self._header(index).items():
            if value is not None:
                setattr(ds, keyword, value)
        return ds

    def _header(self, index: int) -> dict[str, Any]:
        acquisition = _CT_ACQUISITION if self.modality == "CT" else _MR_ACQUISITION
        header = _PATIENT_AND_STUDY | _SCANNER | self._image(index) | self._pixels() | acquisition
        return header | self._geometry(index) | dict(self.attributes)

    def _image(self, index: int) -> dict[str, Any]:
        return {
            "SOPClassUID": CTImageStorage if self.modality == "CT" else MRImageStorage,
            "SOPInstanceUID": f"{_UID_ROOT}.3.{index + 1}",
            "Modality": self.modality,
            "InstanceNumber": str(index + 1),
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL" if self.modality == "CT" else "OTHER"],
            "WindowCenter": "40",
            "WindowWidth": "400",
        }

    def _geometry(self, index: int) -> dict[str, Any]:
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        column = np.asarray(self.orientation[3:])
        step = self.spacing_mm * normal + self.tilt_mm * column
        position = np.array([-20.5, -30.25, 10.0]) + index * step
        return {
            "ImagePositionPatient": [f"{value:.6g}" for value in position],
            "ImageOrientationPatient": [f"{value:g}" for value in self.orientation],
            "PixelSpacing": ["0.75", "0.75"],
            "SliceThickness": f"{self.spacing_mm:g}",
            "SliceLocation": f"{float(position @ normal):.6g}",
        }

    def _pixels(self) -> dict[str, Any]:
        slope, intercept = self.signal_to_stored
        rescaled = self.modality == "CT" or (slope, intercept) != (1.0, 0.0)
        rescale = {"RescaleSlope": f"{slope:g}", "RescaleIntercept": f"{intercept:g}"} if rescaled else {}
        return rescale | {
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": self.photometric,
            "Rows": self.rows,
            "Columns": self.columns,
            "BitsAllocated": 16,
            "BitsStored": self.bits_stored,
            "HighBit": self.bits_stored - 1,
            "PixelRepresentation": int(self.signed),
            "PixelPaddingValue": self.padding_value,
            "PixelPaddingRangeLimit": self.padding_limit,
            "SmallestImagePixelValue": 0,
        }


def code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


_SAME_IN_ALL: dict[str, Any] = {
    "PositionReferenceIndicator": "",
    "StudyDate": "20250102",
    "StudyTime": "101112",
    "SeriesDate": "20250102",
    "AcquisitionDate": "20250102",
    "AcquisitionTime": "101500",
    "ContentDate": "20250102",
    "ContentTime": "101600",
    "AccessionNumber": "A-77",
    "StudyID": "7",
    "StudyDescription": "Phantom",
    "SeriesDescription": "Discs",
    "ReferringPhysicianName": "",
    "PatientName": "Phantom^Disc",
    "PatientID": "P-0001",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "PatientWeight": "71.5",
    "Manufacturer": "Scanner Works",
    "ManufacturerModelName": "Model S",
    "DeviceSerialNumber": "SN 42",
    "SoftwareVersions": ["s1", "s2"],
    "StationName": "SCANNER1",
    "InstitutionName": "Hospital",
    "OperatorsName": "Somebody",
    "BodyPartExamined": "CHEST",
    "PatientPosition": "HFS",
    "SeriesNumber": "4",
    "AcquisitionNumber": "1",
    "SamplesPerPixel": 1,
    "BitsAllocated": 16,
    "SmallestImagePixelValue": 0,
    "WindowCenter": "40",
    "WindowWidth": "400",
}

_PATIENT_AND_STUDY: dict[str, Any] = {
    "StudyInstanceUID": f"{_UID_ROOT}.1",
    "SeriesInstanceUID": f"{_UID_ROOT}.2",
    "FrameOfReferenceUID": f"{_UID_ROOT}.4",
    "PositionReferenceIndicator": "",
    "StudyDate": "20250102",
    "StudyTime": "101112",
    "SeriesDate": "20250102",
    "AcquisitionDate": "20250102",
    "AcquisitionTime": "101500",
    "ContentDate": "20250102",
    "ContentTime": "101600",
    "AccessionNumber": "A-77",
    "StudyID": "7",
    "StudyDescription": "Phantom",
    "SeriesDescription": "Discs",
    "ReferringPhysicianName": "",
    "PatientName": "Phantom^Disc",
    "PatientID": "P-0001",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "PatientWeight": "71.5",
}
_SCANNER: dict[str, Any] = {
    "Manufacturer": "Scanner Works",
    "ManufacturerModelName": "Model S",
    "DeviceSerialNumber": "SN 42",
    "SoftwareVersions": ["s1", "s2"],
    "StationName": "SCANNER1",
    "InstitutionName": "Hospital",
    "OperatorsName": "Somebody",
    "BodyPartExamined": "CHEST",
    "PatientPosition": "HFS",
    "SeriesNumber": "4",
    "AcquisitionNumber": "1",
}
_CT_ACQUISITION: dict[str, Any] = {
    "KVP": "120",
    "XRayTubeCurrent": "200",
    "ExposureTime": "500",
    "ConvolutionKernel": "B30f",
    "CTDIvol": 7.5,
    "CTDIPhantomTypeCodeSequence": [code("113691", "DCM", "IEC Body Dosimetry Phantom")],
    "ScanOptions": "HELIX",
    "ContrastBolusAgent": "Iodine",
    "ProtocolName": "Thorax",
    "IrradiationEventUID": f"{_UID_ROOT}.5",
}
_MR_ACQUISITION: dict[str, Any] = {
    "ScanningSequence": "SE",
    "SequenceVariant": "SK",
    "ScanOptions": "",
    "MRAcquisitionType": "2D",
    "RepetitionTime": "500",
    "EchoTime": "12",
    "EchoTrainLength": "1",
    "FlipAngle": "90",
    "NumberOfAverages": "1",
    "EchoNumbers": "1",
    "PixelBandwidth": "200",
    "SequenceName": "se2d1",
    "SAR": "0.1",
    "MagneticFieldStrength": "1.5",
    "ImagedNucleus": "1H",
    "ReceiveCoilName": "Head",
    "ProtocolName": "Brain",
    "ContrastBolusAgent": "Gadolinium",
}


def _written(dataset: Dataset, stored: NDArray[np.integer[Any]], syntax: UID) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    order: Literal[">", "<"] = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW"
    return bytes_of(dataset)


def bytes_of(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _jpeg_lossless(native: bytes) -> bytes:
    """JPEG lossless by GDCM: the one codec here that pydicom can decode but not encode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "native.dcm")
        path.write_bytes(native)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        if not reader.Read():
            raise AssertionError("gdcm cannot read the phantom")
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise AssertionError("gdcm cannot compress the phantom")
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(Path(folder, "jpeg.dcm")))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not writer.Write():
            raise AssertionError("gdcm cannot write the phantom")
        return Path(folder, "jpeg.dcm").read_bytes()
