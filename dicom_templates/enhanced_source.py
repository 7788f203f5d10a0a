"""An Enhanced CT or MR instance as the classic slices that its frames are (PS3.3 A.36, A.38, C.7.6.16).

Each frame's functional groups, the shared ones and its own, are laid over the attributes of the instance.
The file is held as it came; samples are decoded frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from dicom_templates import tags
from dicom_templates.classic_terms import classic_terms
from dicom_templates.explicit_vr import RawElement
from dicom_templates.header_values import UNDECODABLE, numbers_of, text_of, value_of
from dicom_templates.part10 import Part10, scan, whole_dataset
from dicom_templates.raw_values import Elements, short
from dicom_templates.source import (
    SourceSlice,
    check_pixel_description,
    decoded_samples,
    read_header,
    read_slice,
    without_spare_bits,
)
from dicom_templates.stored_values import Stored
from pipelines.errors import Refused

ENHANCED_CLASSES = (EnhancedCTImageStorage, EnhancedMRImageStorage)

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_OF_THE_INSTANCE = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        *_GROUPS,
        "NumberOfFrames",
        "DimensionOrganizationSequence",
        "DimensionIndexSequence",
        "ContrastBolusAgentSequence",
        "AcquisitionDuration",
        "FilterMaterial",
    )
)
"""What describes the instance as a whole, or is in no classic IOD."""
_KEPT_WHOLE = frozenset({tag_for_keyword("RealWorldValueMappingSequence")})
"""Macros whose items a classic slice has too, as a sequence."""
_PATIENT_GROUP = 0x0010
_IDENTITY = frozenset(
    {
        tags.SOP_CLASS_UID,
        tags.SOP_INSTANCE_UID,
        tags.MODALITY,
        tags.STUDY_INSTANCE_UID,
        tags.SERIES_INSTANCE_UID,
        tags.FRAME_OF_REFERENCE_UID,
    }
)
_REFERENCES = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("ReferencedImageSequence", "DerivationImageSequence", "ReferencedPatientPhotoSequence")
)


def is_enhanced(header: Dataset) -> bool:
    """True for the multi-frame classes that are read here."""
    return text_of(header, "SOPClassUID") in ENHANCED_CLASSES


def described_header(file: bytes) -> Dataset:
    """The header of a single-frame instance; of an Enhanced one, what a classic slice would say of its first
    frame, and the Number of Frames. Raises Refused (`not-dicom`).
    """
    header = read_header(file)
    if not is_enhanced(header):
        return header
    try:
        frame = EnhancedInstance.of(file).header(1)
    except Refused:
        return header  # it can still be told about, and why it is refused is for the plan to say
    frame["NumberOfFrames"] = header["NumberOfFrames"]
    return frame


def frame_datasets(file: bytes) -> list[Dataset]:
    """What a classic slice would say of each frame; none for a single-frame instance. Raises Refused."""
    if not is_enhanced(read_header(file)):
        return []
    instance = EnhancedInstance.of(file)
    return [instance.header(number) for number in range(1, instance.frames + 1)]


def all_samples(file: bytes) -> Stored:
    """(frames, rows, columns) as stored; a single-frame instance is one frame. Raises Refused."""
    if not is_enhanced(read_header(file)):
        return read_slice(file).stored_values[np.newaxis]
    instance = EnhancedInstance.of(file)
    numbers = range(1, instance.frames + 1)
    return np.stack([instance.slice(number).stored_values for number in numbers])


@dataclass(frozen=True)
class EnhancedInstance:
    """One multi-frame instance; frames are numbered from 1, as DICOM references them."""

    file: bytes
    part10: Part10
    shared: Dataset
    per_frame: Sequence
    dataset: Dataset | None
    """The whole instance where samples have to be decoded; None where they lie open in the file."""

    @classmethod
    def of(cls, file: bytes) -> EnhancedInstance:
        """Raises Refused: `not-dicom`, `colour`, `bits`, `no-pixel-data`, `pixel-data-length`,
        `functional-groups`, `concatenation`, `unreadable-element`.
        """
        part10 = scan(file)
        check_pixel_description(part10)
        shared, per_frame = (value_of(part10.header, keyword) for keyword in _GROUPS)
        frames = numbers_of(part10.header, "NumberOfFrames")
        if not frames or not per_frame or len(per_frame) != frames[0]:
            raise Refused(
                "functional-groups",
                f"{len(per_frame or ())} frames have functional groups, {int((*frames, 0)[0])} are declared",
                remedy="have the sender repair the instance",
            )
        if (numbers_of(part10.header, "InConcatenationTotalNumber") or (1.0,))[0] > 1:
            raise Refused("concatenation", "the instance is one part of a concatenation (PS3.3 C.7.6.16.2.2)")
        if part10.pixels is not None:
            _check_length(part10, len(per_frame))
            return cls(file, part10, (shared or [Dataset()])[0], per_frame, None)
        return cls(file, part10, (shared or [Dataset()])[0], per_frame, whole_dataset(file))

    @property
    def frames(self) -> int:
        return len(self.per_frame)

    def header(self, frame_number: int) -> Dataset:
        """What a classic slice would say of the frame, for reading by keyword."""
        return self._dataset_of(self.elements(frame_number))

    def elements(self, frame_number: int) -> Elements:
        """The same elements by tag. Raises Refused (`unreadable-element`)."""
        try:
            return self._flattened(frame_number)
        except UNDECODABLE as problem:
            raise Refused(
                "unreadable-element",
                f"a functional group cannot be decoded ({type(problem).__name__})",
                remedy="have the sender repair the instance",
            ) from problem

    def _flattened(self, frame_number: int) -> Elements:
        elements = {
            tag: raw
            for tag, raw in (dict(self.part10.elements) | self._groups(frame_number)).items()
            if tag not in _OF_THE_INSTANCE
        }
        for keyword, value in self._classic(elements, frame_number):
            tag = tag_for_keyword(keyword) or 0
            elements[tag] = _text_element(tag, value)
        return MappingProxyType(elements)

    def slice(self, frame_number: int) -> SourceSlice:
        """The frame with its samples. Raises Refused: `cannot-decode`, `unreadable-element`."""
        elements = self.elements(frame_number)
        return SourceSlice(
            header=self._dataset_of(elements),
            stored_values=without_spare_bits(self._stored(frame_number), elements),
            elements=elements,
            transfer_syntax_uid=self.part10.transfer_syntax_uid,
            encapsulated_bytes=self.part10.encapsulated_bytes // self.frames,
            file=self.file,
            frame_number=frame_number,
        )

    def _groups(self, frame_number: int) -> dict[int, RawElement]:
        found: dict[int, RawElement] = {}
        for groups in (self.shared, self.per_frame[frame_number - 1]):
            for macro in groups:
                if macro.tag in _KEPT_WHOLE:
                    found[int(macro.tag)] = macro
                elif _is_laid_over(macro):
                    found |= _elements_of(macro.value[0])
        return found

    def _classic(self, elements: dict[int, RawElement], frame_number: int) -> Iterator[tuple[str, str]]:
        header = self._dataset_of(elements)
        agents = self.part10.header.get_item("ContrastBolusAgentSequence")
        if agents is not None:
            header.add(self.part10.header["ContrastBolusAgentSequence"])
        yield from classic_terms(header).items()
        yield "InstanceNumber", str(frame_number)

    def _dataset_of(self, elements: Elements) -> Dataset:
        whole = self.part10.header
        header = Dataset({BaseTag(tag): raw for tag, raw in sorted(elements.items())})
        implicit, little_endian = whole.original_encoding
        header.set_original_encoding(implicit, little_endian, whole.original_character_set)
        header.file_meta = whole.file_meta
        return header

    def _stored(self, frame_number: int) -> Stored:
        if self.dataset is not None:
            return decoded_samples(self.dataset, self.part10.transfer_syntax_uid, frame_number - 1)
        elements = self.part10.elements
        rows, columns = short(elements, tags.ROWS) or 0, short(elements, tags.COLUMNS) or 0
        dtype = np.dtype("<i2") if short(elements, tags.PIXEL_REPRESENTATION) == 1 else np.dtype("<u2")
        count = rows * columns
        start = (frame_number - 1) * count * dtype.itemsize
        assert self.part10.pixels is not None
        return np.frombuffer(self.part10.pixels, dtype, count, start).reshape(rows, columns)


def _is_laid_over(macro: DataElement) -> bool:
    described = macro.VR == "SQ" and not macro.tag.is_private and bool(macro.value)
    return described and macro.tag not in _REFERENCES


def _elements_of(item: Dataset) -> dict[int, RawElement]:
    """Still raw; a functional group never says whose image it is."""
    present = [tag for tag in sorted(item.keys()) if tag not in _IDENTITY]
    return {int(tag): item.get_item(tag) for tag in present if tag.group != _PATIENT_GROUP}


def _check_length(part10: Part10, frames: int) -> None:
    elements = part10.elements
    expected = (short(elements, tags.ROWS) or 0) * (short(elements, tags.COLUMNS) or 0) * 2 * frames
    found = 0 if part10.pixels is None else len(part10.pixels)
    if expected == 0 or found < expected:
        raise Refused("pixel-data-length", f"{found} bytes of pixels; {frames} frames need {expected}")


def _text_element(tag: int, value: str) -> RawElement:
    encoded = value.encode("ascii", "replace")
    encoded += b" " * (len(encoded) % 2)
    return RawDataElement(BaseTag(tag), dictionary_VR(tag), len(encoded), encoded, 0, False, True)
