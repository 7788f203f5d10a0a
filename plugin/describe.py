"""What Orthanc knows of a series, as facts for the rules and as a snapshot for a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue

from dicom_templates.series_plan import is_own_result
from dicom_templates.source import read_header
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.routing.facts import SeriesFacts
from plugin.submit import CompleteSeries

TOO_LONG = 1024
"""Characters of a value that rules see; longer ones are texts and tables, not something to match."""


@dataclass(frozen=True)
class Description:
    """One complete series."""

    series: CompleteSeries
    facts: SeriesFacts
    own_result: bool


def describe(orthanc: OrthancRest, series_orthanc_id: str) -> Description:
    """Reads one header and the index.

    Raises:
        Gone: the series is no longer there.
    """
    listed = orthanc.instances_of(series_orthanc_id)
    if not listed:
        raise Gone(f"series {series_orthanc_id} has no instances")
    instances = sorted((entry["MainDicomTags"]["SOPInstanceUID"], entry["ID"]) for entry in listed)
    header = read_header(orthanc.instance_file(instances[0][1]))
    series = CompleteSeries(
        series_orthanc_id=series_orthanc_id,
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        instances=tuple(instances),
    )
    origin = orthanc.metadata(instances[0][1])
    facts = SeriesFacts(
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        attributes=attributes_of(header),
        instances=tuple(split_values(entry["MainDicomTags"]) for entry in listed),
        number_of_instances=len(listed),
        calling_ae_title=origin.get("RemoteAET", ""),
        called_ae_title=origin.get("CalledAET", ""),
        remote_ip=origin.get("RemoteIP", ""),
        received=datetime.now().astimezone(),
    )
    return Description(series, facts, is_own_result(header))


def attributes_of(header: Dataset) -> dict[str, str | tuple[str, ...]]:
    """Top-level public attributes by keyword; sequences, bulk and long texts are left out."""
    found: dict[str, str | tuple[str, ...]] = {}
    for element in header:
        if element.tag.is_private or not element.keyword or element.VR in ("SQ", "OB", "OW", "UN"):
            continue
        value = simplified(element.value)
        if len(str(value)) <= TOO_LONG:
            found[element.keyword] = value
    return found


def simplified(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, MultiValue | list | tuple):
        return tuple(str(part) for part in value)
    return "" if value is None else str(value)


def split_values(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """Orthanc joins several values with a backslash, as DICOM does."""
    return {keyword: tuple(value.split("\\")) if "\\" in value else value for keyword, value in tags.items()}
