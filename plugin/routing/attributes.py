"""The names a condition may speak of: every DICOM keyword, and what the node itself knows of a series."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from pydicom.datadict import dictionary_VR, keyword_dict, tag_for_keyword

Kind = Literal["text", "number", "date", "time", "datetime", "age", "address", "presence"]
"""How the values of an attribute are compared. `presence`: it can only be there or not."""

KIND_OF_VR = MappingProxyType(
    dict.fromkeys(("DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), "number")
    | {"DA": "date", "TM": "time", "DT": "datetime", "AS": "age"}
    | dict.fromkeys(("SQ", "OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT"), "presence")
)
"""PS3.5 section 6.2; every value representation not named is text."""

SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UT", "UR"})
"""Value representations in which a backslash is part of the text (PS3.5 section 6.2)."""

NODE_ATTRIBUTES: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "CallingAeTitle": "text",
        "CalledAeTitle": "text",
        "RemoteIp": "address",
        "NumberOfInstances": "number",
        "Orientation": "text",
        "SliceSpacingMm": "number",
        "TimeOfDay": "time",
    }
)
"""What the node knows of a series beyond its DICOM attributes."""

IDENTIFYING_KEYWORDS = frozenset(
    {
        "PatientID",
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "OtherPatientIDsSequence",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientBirthDateInAlternativeCalendar",
        "PatientDeathDateInAlternativeCalendar",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "PatientTelecomInformation",
        "PatientComments",
        "AdditionalPatientHistory",
        "MedicalRecordLocator",
        "EthnicGroup",
        "Occupation",
        "MilitaryRank",
        "BranchOfService",
        "CountryOfResidence",
        "RegionOfResidence",
        "PatientReligiousPreference",
        "PatientInsurancePlanCodeSequence",
        "AccessionNumber",
        "StudyID",
        "AdmissionID",
        "IssuerOfAdmissionID",
        "ServiceEpisodeID",
        "RequestingService",
        "CurrentPatientLocation",
        "PatientInstitutionResidence",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "ResponsibleOrganization",
        "ClinicalTrialSubjectID",
        "ClinicalTrialSubjectReadingID",
    }
)
"""Attributes that point at a person (from PS3.15 table E.1-1); person names (VR PN) come on top."""


@dataclass(frozen=True, slots=True)
class RuleAttribute:
    """One attribute a rule can test."""

    name: str
    kind: Kind
    vr: str
    """Value representation; empty for what the node knows itself."""
    identifying: bool = False

    @property
    def from_node(self) -> bool:
        return not self.vr


@cache
def attribute_named(name: str) -> RuleAttribute | None:
    """The attribute of that keyword, or None where neither DICOM nor the node has it."""
    if name in NODE_ATTRIBUTES:
        return RuleAttribute(name, NODE_ATTRIBUTES[name], vr="")
    tag = tag_for_keyword(name)
    if tag is None:
        return None
    # "US or SS" and the like: the first is enough to choose how to compare.
    vr = dictionary_VR(tag)[:2]
    kind = KIND_OF_VR.get(vr, "text")
    return RuleAttribute(name, kind, vr, identifying=vr == "PN" or name in IDENTIFYING_KEYWORDS)  # type: ignore[arg-type]


@cache
def attribute_names() -> tuple[str, ...]:
    """Every name that `attribute_named` knows."""
    return tuple(sorted({keyword for keyword in keyword_dict if keyword} | set(NODE_ATTRIBUTES)))
