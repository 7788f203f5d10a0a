"""Rules on what an image repeats from its source: patient, study, geometry, times, history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from dicom_templates.conformance.comparison import Comparison, Rule, has_value
from dicom_templates.template import load_template

_GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SliceLocation",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "PatientPosition",
    "Rows",
    "Columns",
)
_CONTRAST = (
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "ContrastBolusVolume",
    "ContrastBolusStartTime",
    "ContrastBolusIngredient",
)
_CREATION_TIMES = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "ContentDate",
    "ContentTime",
    "SeriesDate",
)
_PATIENT_AND_STUDY_MODULES = frozenset(
    ("Patient", "Clinical Trial Subject", "General Study", "Patient Study", "Clinical Trial Study")
)


@cache
def _patient_and_study() -> tuple[str, ...]:
    """The keywords that the templates repeat for patient and study, by module."""
    template = load_template("derived_ct")
    return tuple(
        attribute.keyword
        for module in template.modules
        if module.module in _PATIENT_AND_STUDY_MODULES
        for attribute in module.attributes
    )


def _patient_and_study_repeated(c: Comparison) -> Iterator[str]:
    for keyword in (*_patient_and_study(), "TimezoneOffsetFromUTC"):
        if c.differs(keyword):
            yield f"{keyword} differs from the source"


def _geometry_repeated(c: Comparison) -> Iterator[str]:
    for keyword in _GEOMETRY:
        if c.differs(keyword):
            yield f"{keyword} differs from the source"


def _geometry_of_its_own(c: Comparison) -> Iterator[str]:
    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator", "PatientPosition"):
        if c.differs(keyword):
            yield f"{keyword} differs from the source"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "InstanceNumber"):
        if not has_value(c.result, keyword):
            yield f"{keyword} is missing"
    codes = [str(item.get("CodeValue")) for item in c.result.get("DerivationCodeSequence") or ()]
    if "113085" not in codes:
        yield "no derivation code (113085, DCM, Spatial resampling)"


def _lossy_history(c: Comparison) -> Iterator[str]:
    declared = c.result.get("LossyImageCompression")
    if declared not in ("00", "01"):
        yield "Lossy Image Compression is neither 00 nor 01"
    if c.source.get("LossyImageCompression") == "01" and declared != "01":
        yield "Lossy Image Compression was 01 and is not any more"
    history = [
        has_value(c.result, "LossyImageCompressionRatio"),
        has_value(c.result, "LossyImageCompressionMethod"),
    ]
    if declared == "01" and not all(history):
        yield "lossy without ratio or method"


def _burned_in(c: Comparison) -> Iterator[str]:
    value = c.result.get("BurnedInAnnotation")
    if value not in ("YES", "NO") or (c.source.get("BurnedInAnnotation") == "YES" and value != "YES"):
        yield "Burned In Annotation is missing, or the source's YES is lost"
    if c.source.get("RecognizableVisualFeatures") == "YES" and c.differs("RecognizableVisualFeatures"):
        yield "Recognizable Visual Features YES is lost"


def _body_part(c: Comparison) -> Iterator[str]:
    for keyword in ("BodyPartExamined", "AnatomicRegionSequence", "ImageLaterality"):
        if c.differs(keyword):
            yield f"{keyword} differs from the source"
    names_region = has_value(c.result, "BodyPartExamined") or has_value(c.result, "AnatomicRegionSequence")
    if "Laterality" not in c.result and not names_region:
        yield "neither Body Part Examined, Anatomic Region nor Laterality"


def _instance_number(c: Comparison) -> Iterator[str]:
    if "InstanceNumber" not in c.result or c.differs("InstanceNumber"):
        yield "Instance Number is not the source's"


def _contrast_agent(c: Comparison) -> Iterator[str]:
    if c.kind in ("translate", "mr2ct"):
        if any(keyword in c.result for keyword in _CONTRAST):
            yield "a synthetic contrast claims a contrast agent"
    elif any(c.differs(keyword) for keyword in _CONTRAST):
        yield "the contrast agent differs from the source"


def _character_set(c: Comparison) -> Iterator[str]:
    if c.differs("SpecificCharacterSet"):
        yield "Specific Character Set is not that of the copied names"


def _times(c: Comparison) -> Iterator[str]:
    for keyword in (
        "InstanceCreationDate",
        "InstanceCreationTime",
        "ContentDate",
        "ContentTime",
        "SeriesDate",
    ):
        if not has_value(c.result, keyword):
            yield f"{keyword} is missing"
    for keyword in ("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"):
        if c.differs(keyword):
            yield f"{keyword} is not the source's"
    pairs = (("ContentDate", "InstanceCreationDate"), ("SeriesDate", "InstanceCreationDate"))
    if any(c.result.get(one) != c.result.get(other) for one, other in pairs):
        yield "content and series date are not the creation date"


REPEATED_RULES = (
    Rule("G04", _patient_and_study_repeated),
    Rule("G07", _geometry_repeated, lambda c: c.kind != "resample"),
    Rule("G07b", _geometry_of_its_own, lambda c: c.kind == "resample"),
    Rule("G16", _lossy_history),
    Rule("G17", _burned_in),
    Rule("G24", _times),
    Rule("G26", _body_part),
    Rule("G27", _instance_number, lambda c: c.kind != "resample"),
    Rule("G28", _contrast_agent),
    Rule("G30", _character_set),
)
