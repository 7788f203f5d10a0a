"""The vocabulary of values that are the same in all instances of a result series.

Each function returns the value field's text (backslash between several values), encoded sequence items,
or None where the attribute stays absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicom_templates.functional_groups import derived_type
from dicom_templates.header_values import numbers_of, text_of, texts_of
from dicom_templates.identity import PRODUCT_NAME, PRODUCT_PUBLISHER, RunIdentity
from dicom_templates.provenance import (
    CodingScheme,
    contributing_equipment,
    derivation_codes,
    derivation_description,
)
from dicom_templates.template import Template
from dicom_templates.uids import INSTANCE_CREATOR_UID

METRIC_SCHEME = CodingScheme(
    designator="99ORTHOGEN",
    uid="2.25.268627568263627074620955926380613889662",
    name="Image quality figures of Orthogen",
    organization=PRODUCT_PUBLISHER,
)

LARGEST_INTEGER_STRING = 2**31 - 1
_LONGEST_LO = 64


@dataclass(frozen=True)
class SeriesContext:
    """What series-wide values are made from."""

    template: Template
    identity: RunIdentity
    first: Dataset
    """Header of a source instance."""
    series_instance_uid: str
    series_index: int
    output: str

    @property
    def synthetic(self) -> bool:
        """True for generative pipelines, for contrasts that were not acquired, and for synthetic sources."""
        made = self.identity.generative or self.template.kind in ("translate", "mr2ct", "resample")
        return made or text_of(self.first, "SyntheticData") == "YES"

    @property
    def created(self) -> datetime:
        """The job's creation in the study's time zone (PS3.3 C.12.1.1.7), or else in its own."""
        offset = text_of(self.first, "TimezoneOffsetFromUTC").strip()
        zone = _zone(offset)
        return self.identity.created.astimezone(zone) if zone else self.identity.created


SeriesValue = str | list[bytes] | None


def series_number(context: SeriesContext) -> str:
    """Source number times 100 plus the output's; beyond an integer string, 90000 plus it."""
    source = numbers_of(context.first, "SeriesNumber")
    number = int(source[0]) * 100 + context.series_index if source else -1
    return str(number if 0 < number <= LARGEST_INTEGER_STRING else 90_000 + context.series_index)


def series_description(context: SeriesContext) -> str:
    """What it is, by which model, and as much of the source's description as fits and is ASCII."""
    identity = context.identity
    model = f"({identity.pipeline_name} {identity.pipeline_version})"
    source = text_of(context.first, "SeriesDescription")
    ours = f"{_title(context)} {model}"
    if not source.isascii() or "\\" in source:
        return ours[:_LONGEST_LO].strip()
    return f"{ours} {source}"[:_LONGEST_LO].strip()


def _title(context: SeriesContext) -> str:
    identity = context.identity
    if context.template.kind == "mr2ct":
        return "SYNTHETIC CT from MR"
    if context.template.kind == "translate":
        contrasts = f"{identity.contrast_to or 'MR'} from {identity.contrast_from or 'MR'}"
        return f"SYNTHETIC {contrasts}"
    task = "AI " + (identity.task if context.template.kind == "denoise" else context.template.tasks[0])
    return f"SYNTHETIC {task}" if context.synthetic else task


def translated_image_type(context: SeriesContext) -> str:
    contrast = "".join(c if c.isalnum() else "_" for c in context.identity.contrast_to.upper()) or "MR"
    return f"DERIVED\\SECONDARY\\OTHER\\{contrast[:6]}_SYNTHETIC"


def enhanced_image_type(context: SeriesContext) -> str:
    return "\\".join(derived_type(texts_of(context.first, "ImageType")))


def _software_versions(context: SeriesContext) -> str:
    identity = context.identity
    return "\\".join((identity.node_version, identity.runtime, identity.execution_provider))


SERIES_VALUES: Mapping[str, Callable[[SeriesContext], SeriesValue]] = MappingProxyType(
    {
        "sop_class_uid": lambda c: c.template.sop_class_uid,
        "series_instance_uid": lambda c: c.series_instance_uid,
        "series_number": series_number,
        "series_description": series_description,
        "creation_date": lambda c: c.created.strftime("%Y%m%d"),
        "creation_time": lambda c: c.created.strftime("%H%M%S.%f"),
        "node_manufacturer": lambda c: PRODUCT_PUBLISHER,
        "node_model": lambda c: PRODUCT_NAME,
        "node_serial": lambda c: c.identity.node_serial,
        "node_software_versions": _software_versions,
        "instance_creator_uid": lambda c: INSTANCE_CREATOR_UID,
        "synthetic_data": lambda c: "YES" if c.synthetic else "NO",
        "content_qualification": lambda c: c.identity.content_qualification,
        "enhanced_image_type": enhanced_image_type,
        "translated_image_type": translated_image_type,
        "metric_coding_scheme": lambda c: [METRIC_SCHEME.item()],
        "derivation_description": lambda c: derivation_description(c.identity, c.template.title),
        "derivation_codes": lambda c: derivation_codes(resampled=c.template.kind == "resample"),
        "contributing_equipment": lambda c: contributing_equipment(
            c.identity, c.first, synthetic=c.synthetic, created=c.created
        ),
    }
)


def _zone(offset: str) -> timezone | None:
    if len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdigit():
        return None
    sign = -1 if offset[0] == "-" else 1
    minutes = sign * (int(offset[1:3]) * 60 + int(offset[3:5]))
    return timezone(timedelta(minutes=minutes)) if abs(minutes) < 24 * 60 else None
