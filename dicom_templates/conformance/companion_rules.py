"""Rules on companions: parametric map, quality report, key objects, banner."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
)

from dicom_templates.conformance.comparison import Comparison, Finding, Rule, code_of, has_value, values
from dicom_templates.conformance.rules import RULES
from dicom_templates.identity import CONTENT_QUALIFICATIONS

_SHARED_RULES = frozenset(
    {"G01", "G02", "G03", "G04", "G10", "G11", "G12", "G13", "G14", "G19", "G25", "G30", "G31"}
)
_VERDICTS = frozenset({"111235", "111236", "111237"})
_DEVICE_OBSERVER_UID, _DEVICE_OBSERVER_MAKER, _DEVICE_OBSERVER_MODEL = "121012", "121014", "121015"
_ALGORITHM_NAME, _ALGORITHM_VERSION = "111001", "111003"
_ALGORITHM_PARAMETERS, _ALGORITHM_FAMILY = "111002", "111000"
_FINDING, _TRACKING_UID, _QUALITY_ASSESSMENT = "121071", "112040", "111050"
_DESCRIPTION = "113012"


def check_companion(companion: Dataset, source: Dataset) -> list[Finding]:
    """Every broken rule of a companion of a run on `source`'s series. No message holds patient data."""
    comparison = Comparison(companion, source, "companion")
    rules = [rule for rule in RULES if rule.id in _SHARED_RULES] + list(COMPANION_RULES)
    return [
        Finding(rule.id, message)
        for rule in rules
        if rule.applies(comparison)
        for message in rule.check(comparison)
    ]


def _content_items(item: Dataset) -> Iterator[Dataset]:
    """All items of an SR tree below `item` (PS3.3 C.17.3)."""
    for child in item.get("ContentSequence") or ():
        yield child
        yield from _content_items(child)


def _answers(c: Comparison, concept: str) -> list[str]:
    """What the content items of a concept say: text, UID, or the value of a code."""
    said = []
    for item in _content_items(c.result):
        name = code_of(item, "ConceptNameCodeSequence")
        if name is not None and name[0] == concept:
            code = code_of(item, "ConceptCodeSequence")
            said.append(code[0] if code else str(item.get("UID") or item.get("TextValue") or ""))
    return said


def _model(c: Comparison) -> Dataset:
    """The Processing Equipment item of the model."""
    for item in reversed(c.result.get("ContributingEquipmentSequence") or ()):
        if code_of(item, "PurposeOfReferenceCodeSequence") == ("109102", "DCM"):
            return Dataset(item)
    return Dataset()


def _map_samples(c: Comparison) -> Iterator[str]:
    if ("FloatPixelData" in c.result) == ("PixelData" in c.result):
        yield "neither, or both, of Pixel Data and Float Pixel Data"
    if "PixelData" in c.result and c.result.get("BitsAllocated") != 16:
        yield "integer samples that are not 16 bits"


def _map_image_type(c: Comparison) -> Iterator[str]:
    if values(c.result, "ImageType") != ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]:
        yield "Image Type is not DERIVED, PRIMARY, VOLUME, QUANTITY"


def _map_real_world_values(c: Comparison) -> Iterator[str]:
    groups = c.result.get("SharedFunctionalGroupsSequence") or ()
    mappings = groups[0].get("RealWorldValueMappingSequence") if groups else None
    if not mappings:
        yield "no Real World Value Mapping"
        return
    mapping = mappings[0]
    if not mapping.get("RealWorldValueSlope") or not 0 < len(mapping.get("LUTLabel", "")) <= 16:
        yield "Real World Value Mapping without slope or label"
    if code_of(mapping, "MeasurementUnitsCodeSequence") not in (("[hnsf'U]", "UCUM"), ("[arb'U]", "UCUM")):
        yield "the unit of the map is neither Hounsfield nor arbitrary units"
    quantities = mapping.get("QuantityDefinitionSequence") or ()
    if not any(code_of(each, "ConceptCodeSequence") == ("386136009", "SCT") for each in quantities):
        yield "the quantity of the map is not (386136009, SCT, Standard Deviation)"


def _map_statements(c: Comparison) -> Iterator[str]:
    wanted = ("ContentLabel", "RecognizableVisualFeatures", "LossyImageCompression")
    for keyword in wanted:
        if not has_value(c.result, keyword):
            yield f"{keyword} is missing"
    if c.result.get("BurnedInAnnotation") != "NO" or c.result.get("PresentationLUTShape") != "IDENTITY":
        yield "Burned In Annotation is not NO, or Presentation LUT Shape not IDENTITY"
    if c.result.get("ContentQualification") not in CONTENT_QUALIFICATIONS:
        yield "Content Qualification is not RESEARCH, PRODUCT or SERVICE"


def _map_derivation(c: Comparison) -> Iterator[str]:
    for frame in c.result.get("PerFrameFunctionalGroupsSequence") or ():
        derivations = frame.get("DerivationImageSequence") or ()
        if not any(code_of(each, "DerivationCodeSequence") == ("123110", "DCM") for each in derivations):
            yield "a frame whose derivation is not (123110, DCM, Artificial Intelligence)"
            return


def _body_part_or_laterality(c: Comparison) -> Iterator[str]:
    if not has_value(c.result, "BodyPartExamined") and "Laterality" not in c.result:
        yield "neither Body Part Examined nor Laterality"


def _observer(c: Comparison) -> Iterator[str]:
    model = _model(c)
    agreements = (
        (_DEVICE_OBSERVER_UID, "DeviceUID"),
        (_DEVICE_OBSERVER_MAKER, "Manufacturer"),
        (_DEVICE_OBSERVER_MODEL, "ManufacturerModelName"),
    )
    for concept, keyword in agreements:
        if _answers(c, concept)[:1] != [str(model.get(keyword))]:
            yield f"the observer's {keyword} is not that of the model in Contributing Equipment"


def _algorithm(c: Comparison) -> Iterator[str]:
    model = _model(c)
    if _answers(c, _ALGORITHM_NAME)[:1] != [str(model.get("ManufacturerModelName"))]:
        yield "the algorithm's name is not that of the model in Contributing Equipment"
    if _answers(c, _ALGORITHM_VERSION)[:1] != [str(model.get("SoftwareVersions"))]:
        yield "the algorithm's version is not that of the model in Contributing Equipment"
    if _answers(c, _ALGORITHM_FAMILY)[:1] != ["123110"]:
        yield "the algorithm's family is not (123110, DCM, Artificial Intelligence)"
    parameters = _answers(c, _ALGORITHM_PARAMETERS)
    for name in ("onnx_sha256", "config_sha256", "seed", "execution_provider"):
        if not any(parameter.startswith(f"{name}=") for parameter in parameters):
            yield f"no algorithm parameter {name}"


def _group(c: Comparison) -> Iterator[str]:
    if "111101" not in _answers(c, _FINDING) or not any(_answers(c, _TRACKING_UID)):
        yield "the measurement group lacks its finding or tracking UID"
    for item in _content_items(c.result):
        for measured in item.get("MeasuredValueSequence") or ():
            if (code_of(measured, "MeasurementUnitsCodeSequence") or ("", ""))[1] != "UCUM":
                yield "a figure without a UCUM unit"


def _schemes(c: Comparison) -> Iterator[str]:
    declarations = c.result.get("CodingSchemeIdentificationSequence") or ()
    declared = {item.get("CodingSchemeDesignator") for item in declarations}
    used = {(code_of(item, "ConceptNameCodeSequence") or ("", ""))[1] for item in _content_items(c.result)}
    if any(scheme.startswith("99") and scheme not in declared for scheme in used):
        yield "a private coding scheme that is not declared"


def _verdict(c: Comparison) -> Iterator[str]:
    if not _VERDICTS.intersection(_answers(c, _QUALITY_ASSESSMENT)):
        yield "no verdict"


def _flags(c: Comparison) -> Iterator[str]:
    flags = tuple(c.result.get(f"{flag}Flag") for flag in ("Completion", "Verification", "Preliminary"))
    if flags != ("COMPLETE", "UNVERIFIED", "PRELIMINARY"):
        yield "not COMPLETE, UNVERIFIED, PRELIMINARY"


def _evidence(c: Comparison) -> Iterator[str]:
    listed = {
        str(instance.get("ReferencedSOPInstanceUID"))
        for study in c.result.get("CurrentRequestedProcedureEvidenceSequence") or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedSOPSequence") or ()
    }
    used = {
        str(reference.get("ReferencedSOPInstanceUID"))
        for item in _content_items(c.result)
        for reference in item.get("ReferencedSOPSequence") or ()
    }
    if not used or used - listed:
        yield "content refers to instances that the evidence does not list"


def _key_object_title(c: Comparison) -> Iterator[str]:
    if code_of(c.result, "ConceptNameCodeSequence") != ("113010", "DCM"):
        yield "the title is not (113010, DCM, Quality Issue)"
    if not any(_answers(c, _DESCRIPTION)):
        yield "no word on why the images are flagged"


def _banner_text(c: Comparison) -> Iterator[str]:
    said = [
        str(text.get("UnformattedTextValue") or "")
        for annotation in c.result.get("GraphicAnnotationSequence") or ()
        for text in annotation.get("TextObjectSequence") or ()
    ]
    if not any("AI" in text or "SYNTHETIC" in text for text in said):
        yield "the banner does not say AI or SYNTHETIC"


def _of(*sop_classes: str) -> Callable[[Comparison], bool]:
    return lambda c: c.result.get("SOPClassUID") in sop_classes


_MAP, _REPORT = ParametricMapStorage, Comprehensive3DSRStorage
_KEY_OBJECTS, _BANNER = KeyObjectSelectionDocumentStorage, GrayscaleSoftcopyPresentationStateStorage

COMPANION_RULES = (
    Rule("P01", _map_samples, _of(_MAP)),
    Rule("P02", _map_image_type, _of(_MAP)),
    Rule("P03", _map_real_world_values, _of(_MAP)),
    Rule("P04", _map_statements, _of(_MAP)),
    Rule("P06", _map_derivation, _of(_MAP)),
    Rule("P09", _body_part_or_laterality, _of(_MAP, _BANNER)),
    Rule("S01", _observer, _of(_REPORT)),
    Rule("S02", _algorithm, _of(_REPORT)),
    Rule("S03", _group, _of(_REPORT)),
    Rule("S04", _schemes, _of(_REPORT)),
    Rule("S05", _verdict, _of(_REPORT)),
    Rule("S06", _flags, _of(_REPORT)),
    Rule("S07", _evidence, _of(_REPORT, _KEY_OBJECTS)),
    Rule("K01", _key_object_title, _of(_KEY_OBJECTS)),
    Rule("B01", _banner_text, _of(_BANNER)),
)
