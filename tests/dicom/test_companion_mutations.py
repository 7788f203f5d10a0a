"""Seeded defects in companions: each is named by its rule, and every rule is killed by at least one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pydicom.dataset import Dataset

from dicom_templates.conformance import COMPANION_RULES, check_companion
from tests.dicom.test_companion_objects import MAKERS, PHANTOMS, read, run_of
from tests.dicom.test_conformance_mutations import EQUIPMENT, copied, drop, in_item, put, without_item

Damage = Callable[[Dataset, Dataset], None]


def companion_of(maker: str) -> tuple[Dataset, Dataset]:
    run, _ = run_of(PHANTOMS["ct"])
    return read(MAKERS[maker](run)), run.sources[0]


def items(tree: Dataset) -> Iterator[Dataset]:
    for item in tree.get("ContentSequence") or ():
        yield item
        yield from items(item)


def said(concept: str, keyword: str, value: str) -> Damage:
    """Another answer to a concept of the report."""

    def damage(result: Dataset, source: Dataset) -> None:
        for item in items(result):
            if item.ConceptNameCodeSequence[0].CodeValue == concept:
                if keyword == "CodeValue":
                    item.ConceptCodeSequence[0].CodeValue = value
                else:
                    setattr(item, keyword, value)

    return damage


def mapping(keyword: str, value: object) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        setattr(result.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0], keyword, value)

    return damage


def unspecified_derivation(result: Dataset, source: Dataset) -> None:
    frame = result.PerFrameFunctionalGroupsSequence[1]
    frame.DerivationImageSequence[0].DerivationCodeSequence[0].CodeValue = "112187"


def unit_of_another_scheme(result: Dataset, source: Dataset) -> None:
    for item in items(result):
        for measured in item.get("MeasuredValueSequence") or ():
            measured.MeasurementUnitsCodeSequence[0].CodingSchemeDesignator = "99X"


DEFECTS: list[tuple[str, str, str, Damage]] = [
    ("G04", "report", "patient name changed", put("PatientName", "Else^Body")),
    ("G10", "map", "node not named", drop("DeviceSerialNumber")),
    ("G11", "map", "node named as scanner", in_item(EQUIPMENT, 0, "Manufacturer", "Orthogen project")),
    ("G12", "key_objects", "no model", without_item(EQUIPMENT, 1)),
    ("G13", "banner", "no synthetic data", drop("SyntheticData")),
    ("G02", "banner", "series of the source", copied("SeriesInstanceUID")),
    ("P01", "map", "no samples", drop("PixelData")),
    ("P01", "map", "8 bits", put("BitsAllocated", 8)),
    ("P02", "map", "image type of an image", put("ImageType", ["DERIVED", "SECONDARY", "AXIAL"])),
    ("P03", "map", "no slope", mapping("RealWorldValueSlope", 0.0)),
    ("P03", "map", "no quantity", mapping("QuantityDefinitionSequence", [])),
    ("P03", "map", "no unit", mapping("MeasurementUnitsCodeSequence", [])),
    ("P04", "map", "no label", put("ContentLabel", "")),
    ("P04", "map", "burned in", put("BurnedInAnnotation", "YES")),
    ("P04", "map", "no qualification", drop("ContentQualification")),
    ("P06", "map", "unspecified derivation", unspecified_derivation),
    ("P09", "map", "body part lost", drop("BodyPartExamined")),
    ("P09", "banner", "body part lost", drop("BodyPartExamined")),
    ("S01", "report", "another device", said("121012", "UID", "1.2.3")),
    ("S01", "report", "another maker", said("121014", "TextValue", "Scanner Works")),
    ("S02", "report", "another version", said("111003", "TextValue", "9.9")),
    ("S02", "report", "another name", said("111001", "TextValue", "other")),
    ("S02", "report", "no parameters", said("111002", "TextValue", "none")),
    ("S02", "report", "another family", said("111000", "CodeValue", "123109")),
    ("S03", "report", "another finding", said("121071", "CodeValue", "111100")),
    ("S03", "report", "no tracking UID", said("112040", "UID", "")),
    ("S03", "report", "unit of no standard", unit_of_another_scheme),
    ("S04", "report", "scheme not declared", drop("CodingSchemeIdentificationSequence")),
    ("S05", "report", "no verdict", said("111050", "CodeValue", "111234")),
    ("S06", "report", "verified by a machine", put("VerificationFlag", "VERIFIED")),
    ("S06", "report", "final", put("PreliminaryFlag", "FINAL")),
    ("S07", "report", "no evidence", drop("CurrentRequestedProcedureEvidenceSequence")),
    ("S07", "key_objects", "no evidence", drop("CurrentRequestedProcedureEvidenceSequence")),
    ("K01", "key_objects", "another title", in_item("ConceptNameCodeSequence", 0, "CodeValue", "113000")),
    ("K01", "key_objects", "no reason", said("113012", "TextValue", "")),
    ("B01", "banner", "says nothing", lambda r, s: put("GraphicAnnotationSequence", [])(r, s)),
]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_companion_as_made_breaks_no_rule(maker: str) -> None:
    for phantom in PHANTOMS.values():
        run, _ = run_of(phantom)
        assert check_companion(read(MAKERS[maker](run)), run.sources[0]) == []


IDS = [f"{rule}-{maker}-{defect}" for rule, maker, defect, _ in DEFECTS]


@pytest.mark.parametrize(("rule", "maker", "defect", "damage"), DEFECTS, ids=IDS)
def test_every_seeded_defect_in_a_companion_is_named(
    rule: str, maker: str, defect: str, damage: Damage
) -> None:
    companion, source = companion_of(maker)
    damage(companion, source)
    assert rule in {finding.rule for finding in check_companion(companion, source)}


def test_every_rule_on_companions_is_killed() -> None:
    assert {rule.id for rule in COMPANION_RULES} <= {rule for rule, *_ in DEFECTS}
