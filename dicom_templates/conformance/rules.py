"""All rules of the checker, and the check of one instance by them."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_templates.conformance.comparison import Comparison, Finding
from dicom_templates.conformance.image_rules import IMAGE_RULES
from dicom_templates.conformance.modality_rules import MODALITY_RULES
from dicom_templates.conformance.provenance_rules import PROVENANCE_RULES
from dicom_templates.conformance.repeated_rules import REPEATED_RULES
from dicom_templates.stored_values import Stored
from dicom_templates.template import Kind

Samples = tuple[Stored, Stored] | None
RULES = (*PROVENANCE_RULES, *REPEATED_RULES, *IMAGE_RULES, *MODALITY_RULES)


def check_instance(
    result: Dataset, source: Dataset, kind: Kind, decoded: Samples = None, source_frame: int | None = None
) -> list[Finding]:
    """Every broken rule. Both datasets come with file meta and pixel data; no message holds patient data.

    `source` is the instance the result stands for, `kind` the template's. Of a multi-frame source, `source`
    is the flattened header of the frame `source_frame`, and `decoded` the samples of result and frame.
    """
    comparison = Comparison(result, source, kind, decoded, source_frame)
    return [
        Finding(rule.id, message)
        for rule in RULES
        if rule.applies(comparison)
        for message in rule.check(comparison)
    ]
