"""What a result refers to: its source images, and all of them again by series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_templates.explicit_vr import code_item, element, item, sequence

SOURCE_IMAGE_PURPOSE = ("121322", "DCM", "Source image for image processing operation")

_REFERENCED_SOP_CLASS_UID, _REFERENCED_SOP_INSTANCE_UID = 0x00081150, 0x00081155
_REFERENCED_INSTANCE_SEQUENCE = 0x0008114A
_SERIES_INSTANCE_UID = 0x0020000E
_SPATIAL_LOCATIONS_PRESERVED = 0x0028135A
_PURPOSE_OF_REFERENCE = 0x0040A170


@dataclass(frozen=True)
class Reference:
    """One instance of the same study."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str

    @property
    def elements(self) -> bytes:
        """Class and instance as elements of an item (PS3.3 table 10-11)."""
        return element(_REFERENCED_SOP_CLASS_UID, "UI", self.sop_class_uid.encode("ascii")) + element(
            _REFERENCED_SOP_INSTANCE_UID, "UI", self.sop_instance_uid.encode("ascii")
        )


def source_image_item(reference: Reference, *, preserved: bool = True) -> bytes:
    """An item of Source Image Sequence (PS3.3 C.7.6.1.1.4); `preserved`: on the grid of that source."""
    return item(
        (
            reference.elements,
            element(_SPATIAL_LOCATIONS_PRESERVED, "CS", b"YES" if preserved else b"NO"),
            sequence(_PURPOSE_OF_REFERENCE, [code_item(*SOURCE_IMAGE_PURPOSE)]),
        )
    )


def referenced_series_items(references: Sequence[Reference]) -> bytes:
    """Items of Referenced Series Sequence (PS3.3 C.12.2): every instance once, under its series."""
    by_series: dict[str, dict[str, bytes]] = {}
    for reference in references:
        instances = by_series.setdefault(reference.series_instance_uid, {})
        instances[reference.sop_instance_uid] = item((reference.elements,))
    return b"".join(
        item(
            (
                sequence(_REFERENCED_INSTANCE_SEQUENCE, instances.values()),
                element(_SERIES_INSTANCE_UID, "UI", series.encode("ascii")),
            )
        )
        for series, instances in by_series.items()
    )
