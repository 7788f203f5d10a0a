"""The gate before anything leaves: our own rules on a result and its source, and dciodvfy's.

Rule ids are those of the checklist in `docs/dicom_conformance.md`. An instance with a finding, or with an
error of dciodvfy that its source does not share, is not sent.
"""

from dicom_templates.conformance.companion_rules import COMPANION_RULES, check_companion
from dicom_templates.conformance.comparison import Finding
from dicom_templates.conformance.dciodvfy import DciodvfyReport, dcentvfy, dciodvfy
from dicom_templates.conformance.enhanced_rules import ENHANCED_RULES, check_enhanced, require_enhanced
from dicom_templates.conformance.rules import RULES, check_instance
from dicom_templates.conformance.series_gate import GateReport, NotConforming, SeriesGate

__all__ = [
    "COMPANION_RULES",
    "ENHANCED_RULES",
    "RULES",
    "DciodvfyReport",
    "Finding",
    "GateReport",
    "NotConforming",
    "SeriesGate",
    "check_companion",
    "check_enhanced",
    "check_instance",
    "dcentvfy",
    "dciodvfy",
    "require_enhanced",
]
