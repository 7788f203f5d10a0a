"""The functional groups of an Enhanced result: its source's, frame by frame, with a derivation of its own.

A group is repeated unless it describes the source's samples or what the source refers to; frame types say
DERIVED (PS3.3 C.7.6.16.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_templates.enhanced_source import EnhancedInstance
from dicom_templates.explicit_vr import element, encoded_dataset, item, sequence
from dicom_templates.header_values import texts_of

NOT_REPEATED = frozenset(
    tag_for_keyword(keyword) or 0
    for keyword in (
        "DerivationImageSequence",
        "ReferencedImageSequence",
        "ReferencedPatientPhotoSequence",
        "RealWorldValueMappingSequence",
        "PixelIntensityRelationshipLUTSequence",
    )
)
FRAME_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence")
_FRAME_TYPE_TAGS = frozenset(tag_for_keyword(keyword) or 0 for keyword in FRAME_TYPES)
_DERIVATION_IMAGE = tag_for_keyword("DerivationImageSequence") or 0
_DERIVATION_DESCRIPTION, _SOURCE_IMAGE, _DERIVATION_CODE = 0x00082111, 0x00082112, 0x00089215


def derived_type(terms: list[str]) -> list[str]:
    """Image or Frame Type of a frame that was made from one of these terms (PS3.3 C.8.16.1)."""
    flavor, contrast = (terms[2:4] + ["VOLUME", "NONE"][len(terms[2:4]) :])[:2]
    return ["DERIVED", "PRIMARY", flavor, contrast]


def shared_groups(instance: EnhancedInstance) -> bytes:
    """The value of Shared Functional Groups Sequence."""
    return _encoded(_repeated(instance.shared))


def frame_groups(instance: EnhancedInstance, derivations: Mapping[int, bytes]) -> bytes:
    """The value of Per-frame Functional Groups Sequence; `derivations` has an item for each frame number."""
    return b"".join(
        _encoded(_repeated(groups) | {_DERIVATION_IMAGE: sequence(_DERIVATION_IMAGE, [derivations[number]])})
        for number, groups in enumerate(instance.per_frame, start=1)
    )


def derivation(description: str, codes: list[bytes], source_images: list[bytes]) -> bytes:
    """An item of Derivation Image Sequence (PS3.3 C.7.6.16.2.6)."""
    return item(
        (
            element(_DERIVATION_DESCRIPTION, "ST", description.encode("ascii")),
            sequence(_SOURCE_IMAGE, source_images),
            sequence(_DERIVATION_CODE, codes),
        )
    )


def _repeated(groups: Dataset) -> dict[int, bytes]:
    return {
        int(macro.tag): encoded_dataset(_only(macro.keyword, _items(macro)))
        for macro in groups
        if not macro.tag.is_private and macro.VR == "SQ" and macro.tag not in NOT_REPEATED
    }


def _items(macro: DataElement) -> Sequence:
    items = public_items(macro.value)
    if macro.tag in _FRAME_TYPE_TAGS:
        for each in items:
            each.FrameType = derived_type(texts_of(each, "FrameType"))
    return items


def public_items(items: Sequence) -> Sequence:
    """The items without private elements at any depth."""
    public = Sequence()
    for each in items:
        copied = Dataset()
        for data in each:
            if not data.tag.is_private:
                copied.add_new(data.tag, data.VR, public_items(data.value) if data.VR == "SQ" else data.value)
        public.append(copied)
    return public


def _only(keyword: str, items: Sequence) -> Dataset:
    dataset = Dataset()
    setattr(dataset, keyword, items)
    return dataset


def _encoded(groups: Mapping[int, bytes]) -> bytes:
    return item(groups[tag] for tag in sorted(groups))
