"""Rules on identity, references, equipment and marking: what the object says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_templates.conformance.comparison import Comparison, Rule, code_of, has_value, values
from dicom_templates.identity import CONTENT_QUALIFICATIONS
from dicom_templates.uids import IMPLEMENTATION_CLASS_UID, INSTANCE_CREATOR_UID, device_uid

_PURPOSE = "PurposeOfReferenceCodeSequence"
_MODEL_ATTRIBUTES = (
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceUID",
    "ContributionDateTime",
    "ContributionDescription",
)
_DIGEST = re.compile(r"sha256 ([0-9a-f]{64})")
_LONGEST_UID = 64


def _new_instance(c: Comparison) -> Iterator[str]:
    uid = c.result.get("SOPInstanceUID")
    if not uid or uid == c.source.get("SOPInstanceUID"):
        yield "SOP Instance UID is missing or the source's"
    elif not UID(uid).is_valid or len(uid) > _LONGEST_UID:
        yield "SOP Instance UID is no valid UID"


def _new_series(c: Comparison) -> Iterator[str]:
    uid = c.result.get("SeriesInstanceUID")
    if not uid or uid == c.source.get("SeriesInstanceUID"):
        yield "Series Instance UID is missing or the source's"
    if c.differs("StudyInstanceUID"):
        yield "Study Instance UID is not the source's"


def _file_meta(c: Comparison) -> Iterator[str]:
    meta = getattr(c.result, "file_meta", Dataset())
    if meta.get("MediaStorageSOPInstanceUID") != c.result.get("SOPInstanceUID"):
        yield "file meta names another instance"
    if meta.get("MediaStorageSOPClassUID") != c.result.get("SOPClassUID"):
        yield "file meta names another class"
    if meta.get("ImplementationClassUID") != IMPLEMENTATION_CLASS_UID:
        yield "Implementation Class UID is not ours"


def _derivation(c: Comparison) -> Iterator[str]:
    description = str(c.result.get("DerivationDescription") or "")
    if not description or len(description) > 1024:
        yield "Derivation Description is missing or longer than 1024 characters"
    codes = c.result.get("DerivationCodeSequence") or ()
    if not codes or (codes[0].get("CodeValue"), codes[0].get("CodingSchemeDesignator")) != ("123110", "DCM"):
        yield "the first derivation code is not (123110, DCM, Artificial Intelligence)"


def _source_images(c: Comparison) -> Iterator[str]:
    items = c.result.get("SourceImageSequence") or ()
    if not items or items[0].get("ReferencedSOPInstanceUID") != c.source.get("SOPInstanceUID"):
        yield "the first source image is not the source slice"
    elif items[0].get("ReferencedFrameNumber") != c.source_frame:
        yield "the first source image does not name the frame that the source is"
    for item in items:
        if code_of(item, _PURPOSE) != ("121322", "DCM"):
            yield "a source image without purpose (121322, DCM)"
        if item.get("SpatialLocationsPreserved") not in ("YES", "NO") or not item.get(
            "ReferencedSOPClassUID"
        ):
            yield "a source image without class or Spatial Locations Preserved"
    preserved = "NO" if c.kind == "resample" else "YES"
    if items and items[0].get("SpatialLocationsPreserved") != preserved:
        yield f"Spatial Locations Preserved of the source slice is not {preserved}"


def _referenced_series(c: Comparison) -> Iterator[str]:
    wanted = {str(item.get("ReferencedSOPInstanceUID")) for item in c.result.get("SourceImageSequence") or ()}
    listed: list[str] = []
    for series in c.result.get("ReferencedSeriesSequence") or ():
        listed += [
            str(item.get("ReferencedSOPInstanceUID"))
            for item in series.get("ReferencedInstanceSequence") or ()
        ]
        if not series.get("SeriesInstanceUID"):
            yield "a referenced series without its UID"
    if set(listed) != wanted or len(listed) != len(set(listed)):
        yield "Referenced Series Sequence does not list exactly the referenced instances"


def _general_equipment(c: Comparison) -> Iterator[str]:
    for keyword in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"):
        if not has_value(c.result, keyword):
            yield f"{keyword} of the node is missing"
    if has_value(c.source, "ManufacturerModelName") and not c.differs("ManufacturerModelName"):
        yield "General Equipment is still the source's"
    for keyword in ("StationName", "InstitutionName", "GantryID"):
        if has_value(c.result, keyword):
            yield f"{keyword} describes the scanner"


def _by_purpose(c: Comparison, code: str) -> list[Dataset]:
    items = c.result.get("ContributingEquipmentSequence") or ()
    return [item for item in items if code_of(item, _PURPOSE) == (code, "DCM")]


def _acquisition_equipment(c: Comparison) -> Iterator[str]:
    items = _by_purpose(c, "109101")
    if not items:
        yield "no Acquisition Equipment (109101, DCM)"
        return
    carried = c.source.get("ContributingEquipmentSequence") or ()
    known = {item.get("Manufacturer") for item in carried} | {c.source.get("Manufacturer") or "UNKNOWN"}
    if items[0].get("Manufacturer") not in known:
        yield "Acquisition Equipment is not the scanner"
    if any("OperatorsName" in item for item in items if item not in list(carried)):
        yield "Acquisition Equipment names a person"


def _our_items(c: Comparison, purpose: str) -> list[Dataset]:
    carried = list(c.source.get("ContributingEquipmentSequence") or ())
    return [item for item in _by_purpose(c, purpose) if item not in carried]


def _processing_equipment(c: Comparison) -> Iterator[str]:
    items = _our_items(c, "109102")
    if not items:
        yield "no Processing Equipment (109102, DCM)"
    for item in items:
        yield from _model_item(item)


def _model_item(item: Dataset) -> Iterator[str]:
    missing = [keyword for keyword in _MODEL_ATTRIBUTES if not has_value(item, keyword)]
    if missing:
        yield f"equipment of the model lacks {', '.join(missing)}"
        return
    description = str(item.ContributionDescription)
    digest = _DIGEST.search(description)
    if digest is None or "config sha256 " not in description or len(description) > 1024:
        yield "Contribution Description lacks the digests, or is longer than 1024 characters"
        return
    if item.DeviceUID != device_uid(digest[1]):
        yield "Device UID is not that of the model's digest"
    if not str(values(item, "SoftwareVersions")[0]).endswith("+" + digest[1][:12]):
        yield "Software Versions of the model do not end in its digest"


def _synthetic_data(c: Comparison) -> Iterator[str]:
    value = c.result.get("SyntheticData")
    if value not in ("YES", "NO"):
        yield "Synthetic Data is neither YES nor NO"
    elif c.synthetic_required and value != "YES":
        yield "Synthetic Data is NO for content that was made, or derived from such"


def _synthesizing_equipment(c: Comparison) -> Iterator[str]:
    if c.result.get("SyntheticData") != "YES":
        if _our_items(c, "109100"):
            yield "Synthesizing Equipment in a result that is not synthetic"
        return
    items = _our_items(c, "109100")
    if not items:
        yield "no Synthesizing Equipment (109100, DCM)"
    for item in items:
        yield from _model_item(item)


def _content_qualification(c: Comparison) -> Iterator[str]:
    if c.result.get("ContentQualification") not in CONTENT_QUALIFICATIONS:
        yield "Content Qualification is not RESEARCH, PRODUCT or SERVICE"


def _instance_creator(c: Comparison) -> Iterator[str]:
    if c.result.get("InstanceCreatorUID") != INSTANCE_CREATOR_UID:
        yield "Instance Creator UID is not ours"


def _no_authorization(c: Comparison) -> Iterator[str]:
    keywords = ("UDISequence", "SOPInstanceStatus", "SOPAuthorizationDateTime", "OriginalAttributesSequence")
    for keyword in keywords:
        if keyword in c.result:
            yield f"{keyword} is the source's claim, not ours"


PROVENANCE_RULES = (
    Rule("G01", _new_instance),
    Rule("G02", _new_series),
    Rule("G03", _file_meta),
    Rule("G08", _derivation),
    Rule("G09", _source_images),
    Rule("G09b", _referenced_series),
    Rule("G10", _general_equipment),
    Rule("G11", _acquisition_equipment),
    Rule("G12", _processing_equipment),
    Rule("G13", _synthetic_data),
    Rule("G14", _synthesizing_equipment),
    Rule("G15", _content_qualification),
    Rule("G25", _instance_creator),
    Rule("G31", _no_authorization),
)
