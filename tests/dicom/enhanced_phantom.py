"""Enhanced CT and MR instances made by code, with the functional groups that PS3.3 A.36 and A.38 ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from tests.dicom.enhanced_attributes import (
    AS_CLASSIC,
    CT,
    CT_GROUPS,
    FRAME_TYPE,
    INSTANCE,
    MR,
    MR_FRAME_TYPE,
    MR_GROUPS,
    UID_ROOT,
)
from tests.dicom.phantom_series import AXIAL, COMPRESSED, Phantom, bytes_of, code

Changes = Mapping[str, Mapping[str, Any] | None]
"""Functional group to attributes of its item; None leaves the group out."""


@dataclass(frozen=True)
class EnhancedPhantom:
    """The discs of `Phantom` as the frames of one instance."""

    modality: str = "CT"
    frames: int = 4
    rows: int = 48
    columns: int = 64
    transfer_syntax: str = ExplicitVRLittleEndian
    signed: bool = False
    slope: float = 1.0
    orientation: Sequence[float] = AXIAL
    padding_value: int | None = None
    spacing_mm: float = 2.5
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Of the instance."""
    shared: Changes = field(default_factory=dict)
    of_frame: Mapping[int, Changes] = field(default_factory=dict)
    """By frame number."""

    @property
    def classic(self) -> Phantom:
        return Phantom(
            self.modality,
            slices=self.frames,
            rows=self.rows,
            columns=self.columns,
            signed=self.signed,
            slope=self.slope,
            orientation=self.orientation,
            padding_value=self.padding_value,
            spacing_mm=self.spacing_mm,
        )

    def stored_values(self, frame_number: int) -> NDArray[np.integer[Any]]:
        """(rows, columns)."""
        return self.classic.stored_values(frame_number - 1)

    def instance(self) -> bytes:
        """The Part 10 file."""
        dataset = self.dataset()
        stored = np.stack([self.stored_values(number) for number in range(1, self.frames + 1)])
        syntax = UID(self.transfer_syntax)
        if syntax == ExplicitVRBigEndian:
            stored = stored.astype(stored.dtype.newbyteorder(">"))
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax in COMPRESSED else syntax
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW"
        if syntax in COMPRESSED:
            dataset.compress(syntax, generate_instance_uid=False)
        return bytes_of(dataset)

    def dataset(self) -> Dataset:
        """Everything but the samples."""
        classic = self.classic.dataset(0)
        ds = Dataset()
        ds.file_meta = classic.file_meta
        for keyword in AS_CLASSIC:
            if keyword in classic:
                ds[keyword] = classic[keyword]
        of_modality = CT if self.modality == "CT" else MR
        for keyword, value in (INSTANCE | of_modality | self._image() | dict(self.attributes)).items():
            if value is not None:
                setattr(ds, keyword, value)
        ds.SharedFunctionalGroupsSequence = [_groups(self._shared(), self.shared)]
        ds.PerFrameFunctionalGroupsSequence = [
            _groups(self._of_frame(number), self.of_frame.get(number, {}))
            for number in range(1, self.frames + 1)
        ]
        return ds

    def _image(self) -> dict[str, Any]:
        organization = Dataset()
        organization.DimensionOrganizationUID = f"{UID_ROOT}.9"
        return {
            "SOPClassUID": EnhancedCTImageStorage if self.modality == "CT" else EnhancedMRImageStorage,
            "SOPInstanceUID": f"{UID_ROOT}.3",
            "NumberOfFrames": self.frames,
            "ImageType": self._frame_type(),
            "DimensionOrganizationSequence": [organization],
            "DimensionIndexSequence": [_index(0x00209056), _index(0x00209057)],
        }

    def _frame_type(self) -> list[str]:
        return ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]

    def _shared(self) -> dict[str, Any]:
        spacing = f"{self.spacing_mm:g}"
        common = {
            "PixelMeasuresSequence": {"PixelSpacing": ["0.75", "0.75"], "SliceThickness": spacing},
            "PlaneOrientationSequence": {
                "ImageOrientationPatient": [f"{value:g}" for value in self.orientation]
            },
            "FrameVOILUTSequence": {"WindowCenter": "40", "WindowWidth": "400"},
            "FrameAnatomySequence": {
                "FrameLaterality": "U",
                "AnatomicRegionSequence": [code("51185008", "SCT", "Chest")],
            },
        }
        slope, intercept = self.classic.signal_to_stored
        common["PixelValueTransformationSequence"] = {
            "RescaleSlope": f"{slope:g}",
            "RescaleIntercept": f"{intercept:g}",
            "RescaleType": "HU" if self.modality == "CT" else "US",
        }
        frame_type: dict[str, Any] = {"FrameType": self._frame_type(), **FRAME_TYPE}
        if self.modality == "CT":
            return common | {"CTImageFrameTypeSequence": frame_type} | CT_GROUPS
        return common | {"MRImageFrameTypeSequence": frame_type | MR_FRAME_TYPE} | MR_GROUPS

    def _of_frame(self, number: int) -> dict[str, Any]:
        position = self.classic.dataset(number - 1).ImagePositionPatient
        return {
            "PlanePositionSequence": {"ImagePositionPatient": list(position)},
            "FrameContentSequence": {
                "StackID": "1",
                "InStackPositionNumber": number,
                "DimensionIndexValues": [1, number],
                "FrameAcquisitionNumber": 1,
                "FrameReferenceDateTime": "20250102101500",
                "FrameAcquisitionDateTime": f"2025010210150{number % 10}",
                "FrameAcquisitionDuration": 500.0,
            },
        }


def _groups(groups: Mapping[str, Mapping[str, Any]], changes: Changes) -> Dataset:
    whole = Dataset()
    for keyword in (*groups, *(each for each in changes if each not in groups)):
        change = changes.get(keyword, {})
        if change is not None:
            setattr(whole, keyword, [_macro(dict(groups.get(keyword, {})) | dict(change))])
    return whole


def _macro(attributes: Mapping[str, Any]) -> Dataset:
    macro = Dataset()
    for keyword, value in attributes.items():
        setattr(macro, keyword, value)
    return macro


def _index(pointer: int) -> Dataset:
    index = Dataset()
    index.DimensionOrganizationUID = f"{UID_ROOT}.9"
    index.DimensionIndexPointer = pointer
    index.FunctionalGroupPointer = 0x00209111
    return index
