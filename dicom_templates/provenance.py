"""Provenance in coded attributes: derivation and contributing equipment.

What must survive de-identification is in coded elements; the profile of PS3.15 removes descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from dicom_templates.explicit_vr import code_item, copied_element, element, item, sequence
from dicom_templates.header_values import text_of, texts_of, value_of
from dicom_templates.identity import RunIdentity
from dicom_templates.uids import device_uid

ACQUISITION_EQUIPMENT = ("109101", "DCM", "Acquisition Equipment")
PROCESSING_EQUIPMENT = ("109102", "DCM", "Processing Equipment")
SYNTHESIZING_EQUIPMENT = ("109100", "DCM", "Synthesizing Equipment")
ARTIFICIAL_INTELLIGENCE = ("123110", "DCM", "Artificial Intelligence")
SPATIAL_RESAMPLING = ("113085", "DCM", "Spatial resampling")

_CONTRIBUTING_EQUIPMENT = 0x0018A001
_PURPOSE_OF_REFERENCE = 0x0040A170
_MANUFACTURER, _MODEL_NAME = 0x00080070, 0x00081090
_SERIAL_NUMBER, _DEVICE_UID, _SOFTWARE_VERSIONS = 0x00181000, 0x00181002, 0x00181020
_CONTRIBUTION_DATETIME, _CONTRIBUTION_DESCRIPTION = 0x0018A002, 0x0018A003

_LONG_HEADER_BYTES = 12
_NOT_DIAGNOSTIC = "Not for primary diagnosis"


@dataclass(frozen=True)
class CodingScheme:
    """A private coding scheme, declared where its codes are used (PS3.3 C.12.1.1.8)."""

    designator: str
    uid: str
    name: str
    organization: str

    def item(self) -> bytes:
        """An item of Coding Scheme Identification Sequence."""
        return item(
            (
                element(0x00080102, "SH", self.designator.encode("ascii")),
                element(0x0008010C, "UI", self.uid.encode("ascii")),
                element(0x00080115, "ST", self.name.encode("ascii")),
                element(0x00080116, "ST", self.organization.encode("ascii")),
            )
        )


def derivation_description(identity: RunIdentity, title: str) -> str:
    """What was done, for people (ST, at most 1024 characters)."""
    model = f"{identity.pipeline_name} {identity.model_version} by {identity.publisher}"
    contrast = f", {identity.contrast_from} to {identity.contrast_to}" if identity.contrast_to else ""
    policy = "" if identity.content_qualification == "PRODUCT" else f". {_NOT_DIAGNOSTIC}"
    return f"{title}; AI {identity.task}{contrast}; {model}{policy}"


def derivation_codes(*, resampled: bool) -> list[bytes]:
    """Items of Derivation Code Sequence: one for every step that really took place (CID 7203)."""
    steps = (ARTIFICIAL_INTELLIGENCE, SPATIAL_RESAMPLING) if resampled else (ARTIFICIAL_INTELLIGENCE,)
    return [code_item(*step) for step in steps]


def contribution_description(identity: RunIdentity) -> str:
    """The digests and circumstances of the run (ST, at most 1024 characters)."""
    return (
        f"AI {identity.task}; onnx sha256 {identity.model_sha256}; config sha256 {identity.config_sha256}; "
        f"seed {identity.seed}; {identity.runtime} {identity.execution_provider}; "
        f"rule {identity.rule}; job {identity.job_id}"
    )


def contributing_equipment(
    identity: RunIdentity, first: Dataset, *, synthetic: bool, created: datetime
) -> list[bytes]:
    """The source's own items unchanged, the scanner unless already there, the model, and the model again as
    synthesizing equipment where the result is synthetic (PS3.3 C.12.1, CID 7005; IHE AIR 6.5.3.1).
    """
    items = [_carried_items(first)] if "ContributingEquipmentSequence" in first else []
    carried = value_of(first, "ContributingEquipmentSequence") or ()
    if not any(_has_purpose(each, ACQUISITION_EQUIPMENT) for each in carried):
        items.append(_scanner_item(first))
    items.append(_model_item(identity, PROCESSING_EQUIPMENT, created))
    if synthetic:
        items.append(_model_item(identity, SYNTHESIZING_EQUIPMENT, created))
    return items


def _carried_items(first: Dataset) -> bytes:
    """The encoded items of the source's own sequence, as they are."""
    encoded = copied_element(
        first.get_item(_CONTRIBUTING_EQUIPMENT), signed=False, charset=_character_set(first)
    )
    return encoded[_LONG_HEADER_BYTES:]


def _character_set(first: Dataset) -> list[str] | None:
    return texts_of(first, "SpecificCharacterSet") or None


def _has_purpose(equipment: Dataset, code: tuple[str, str, str]) -> bool:
    purposes = equipment.get("PurposeOfReferenceCodeSequence") or ()
    return any((p.get("CodeValue"), p.get("CodingSchemeDesignator")) == code[:2] for p in purposes)


def _scanner_item(first: Dataset) -> bytes:
    """Maker, model, serial number and software of the scanner. No station, institution or operator: they
    would pass through de-identification inside the item.
    """
    known = [
        copied_element(first.get_item(tag), signed=False, charset=_character_set(first))
        for tag in (_MODEL_NAME, _SERIAL_NUMBER, _SOFTWARE_VERSIONS)
        if tag in first
    ]
    if text_of(first, "Manufacturer"):
        manufacturer = copied_element(
            first.get_item(_MANUFACTURER), signed=False, charset=_character_set(first)
        )
    else:
        manufacturer = element(_MANUFACTURER, "LO", b"UNKNOWN")
    return item((manufacturer, *known, sequence(_PURPOSE_OF_REFERENCE, [code_item(*ACQUISITION_EQUIPMENT)])))


def _model_item(identity: RunIdentity, purpose: tuple[str, str, str], created: datetime) -> bytes:
    return item(
        (
            element(_MANUFACTURER, "LO", identity.publisher.encode("ascii")),
            element(_MODEL_NAME, "LO", identity.pipeline_name.encode("ascii")),
            element(_DEVICE_UID, "UI", device_uid(identity.model_sha256).encode("ascii")),
            element(_SOFTWARE_VERSIONS, "LO", identity.model_version.encode("ascii")),
            element(_CONTRIBUTION_DATETIME, "DT", created.strftime("%Y%m%d%H%M%S.%f%z").encode("ascii")),
            element(_CONTRIBUTION_DESCRIPTION, "ST", contribution_description(identity).encode("ascii")),
            sequence(_PURPOSE_OF_REFERENCE, [code_item(*purpose)]),
        )
    )
