"""Objects beside a result: parametric map, quality report, key objects, banner."""

from dicom_templates.companions.banner import banner
from dicom_templates.companions.key_objects import key_objects
from dicom_templates.companions.parametric_map import parametric_map
from dicom_templates.companions.quality_report import quality_report
from dicom_templates.companions.run import CompanionRun

__all__ = ["CompanionRun", "banner", "key_objects", "parametric_map", "quality_report"]
