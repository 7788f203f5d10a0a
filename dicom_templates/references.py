"""What a result refers to: its source images, and all of them again by series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_templates.explicit_vr import code_item, element, item, sequence

SOURCE_IMAGE_PURPOSE = ("121322", "DCM", "Source image for image processing operation")

_REFERENCED_SOP_CLASS_UID, _REFERENCED_SOP_INSTANCE_UID = 0x00081150, 0x00081155
_REFERENCED_FRAME_NUMBER = 0x00081160
_REFERENCED_INSTANCE_SEQUENCE = 0x0008114A
_REFERENCED_SERIES_SEQUENCE, _REFERENCED_SOP_SEQUENCE = 0x00081115, 0x00081199
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_SPATIAL_LOCATIONS_PRESERVED = 0x0028135A
_PURPOSE_OF_REFERENCE = 0x0040A170


@dataclass(frozen=True)
class Reference:
    """One instance of the same study, or one frame of it."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    frame_number: int | None = None
    """Of a multi-frame instance, from 1."""

    @property
    def elements(self) -> bytes:
        """Class and instance as elements of an item (PS3.3 table 10-11)."""
        return element(_REFERENCED_SOP_CLASS_UID, "UI", self.sop_class_uid.encode("ascii")) + element(
            _REFERENCED_SOP_INSTANCE_UID, "UI", self.sop_instance_uid.encode("ascii")
        )


def receptive_field(references: Sequence[Reference], index: int, context_slices: int) -> list[Reference]:
    """The image at that place of the stack, then its neighbours that the model sees on either side."""
    begin, end = max(index - context_slices, 0), index + context_slices + 1
    return [references[index], *references[begin:index], *references[index + 1 : end]]


def source_image_item(reference: Reference, *, preserved: bool = True) -> bytes:
    """An item of Source Image Sequence (PS3.3 C.7.6.1.1.4); `preserved`: on the grid of that source."""
    return item(
        (
            reference.elements,
            _frame(reference),
            element(_SPATIAL_LOCATIONS_PRESERVED, "CS", b"YES" if preserved else b"NO"),
            sequence(_PURPOSE_OF_REFERENCE, [code_item(*SOURCE_IMAGE_PURPOSE)]),
        )
    )


def _frame(reference: Reference) -> bytes:
    if reference.frame_number is None:
        return b""
    return element(_REFERENCED_FRAME_NUMBER, "IS", str(reference.frame_number).encode("ascii"))


def evidence_items(study_instance_uid: str, references: Sequence[Reference]) -> bytes:
    """The item of a sequence of references by study and series (PS3.3 table C.17-3)."""
    series = _series_items(references, _REFERENCED_SOP_SEQUENCE)
    study = element(_STUDY_INSTANCE_UID, "UI", study_instance_uid.encode("ascii"))
    return item((element(_REFERENCED_SERIES_SEQUENCE, "SQ", series), study))


def referenced_series_items(references: Sequence[Reference]) -> bytes:
    """Items of Referenced Series Sequence (PS3.3 C.12.2): every instance once, under its series."""
    return _series_items(references, _REFERENCED_INSTANCE_SEQUENCE)


def _series_items(references: Sequence[Reference], instances_tag: int) -> bytes:
    by_series: dict[str, dict[str, bytes]] = {}
    for reference in references:
        instances = by_series.setdefault(reference.series_instance_uid, {})
        instances[reference.sop_instance_uid] = item((reference.elements,))
    return b"".join(
        item(
            (
                sequence(instances_tag, instances.values()),
                element(_SERIES_INSTANCE_UID, "UI", series.encode("ascii")),
            )
        )
        for series, instances in by_series.items()
    )
