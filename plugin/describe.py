"""What Orthanc knows of a series, as facts for the rules and as a snapshot for a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue

from dicom_templates.acceptance import own_hops
from dicom_templates.enhanced_source import described_header, frame_datasets
from pipelines.errors import Refused
from plugin.ledger import FurtherSeries, Instances
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.rule import Rule
from plugin.routing.wanted import wanted_attributes
from plugin.submit import CompleteSeries

IS_THERE = "(sequence)"
TOO_LONG = 1024
"""Characters of a value that rules see; longer ones are texts and tables, not something to match."""


SAME_IN_A_SERIES = frozenset(
    {
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "StudyInstanceUID"),
        *("StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "Modality"),
        *("ReferringPhysicianName", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
        *("SeriesDate", "SeriesTime", "ProtocolName", "BodyPartExamined", "Laterality", "Manufacturer"),
        *("ManufacturerModelName", "StationName", "InstitutionName", "DeviceSerialNumber"),
        *("SoftwareVersions", "PatientPosition", "OperatorsName", "PerformingPhysicianName"),
    }
)
"""Attributes of patient, study, series and equipment: one header speaks for all (PS3.3 A.1.2, C.7.3.1)."""


@dataclass(frozen=True)
class Description:
    """One complete series."""

    series: CompleteSeries
    facts: SeriesFacts
    hops: int
    """How many results of nodes like this one the series is, or was made from; 0 for an acquired one."""


def describe(orthanc: OrthancRest, series_orthanc_id: str, rules: Sequence[Rule]) -> Description:
    """Reads the index and one header; the headers of all instances only where a rule asks for what differs
    from instance to instance and is not in the index.

    Raises:
        Gone: the series is no longer there.
    """
    listed = orthanc.instances_of(series_orthanc_id)
    if not listed:
        raise Gone(f"series {series_orthanc_id} has no instances")
    instances = snapshot(listed)
    file = orthanc.instance_file(instances[0][1])
    header = described_header(file)
    series = CompleteSeries(
        series_orthanc_id=series_orthanc_id,
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        instances=instances,
    )
    origin = orthanc.metadata(instances[0][1])
    facts = SeriesFacts(
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        attributes=attributes_of(header),
        instances=(per_frame(file, rules) if len(listed) == 1 else ())
        or per_instance(orthanc, series_orthanc_id, listed, rules),
        number_of_instances=len(listed),
        calling_ae_title=origin.get("RemoteAET", ""),
        called_ae_title=origin.get("CalledAET", ""),
        remote_ip=origin.get("RemoteIP", ""),
        received=datetime.now().astimezone(),
    )
    return Description(series, facts, own_hops(header))


def snapshot(listed: Sequence[Mapping[str, Any]]) -> Instances:
    """What a series holds at this moment."""
    return tuple(sorted((entry["MainDicomTags"]["SOPInstanceUID"], entry["ID"]) for entry in listed))


class InputGone(Gone):
    """The series that an input should take has been deleted from Orthanc."""

    def __init__(self, series_instance_uid: str) -> None:
        super().__init__("the series of an input was deleted from Orthanc")
        self.series_instance_uid = series_instance_uid


def further_series(orthanc: OrthancRest, input_name: str, series_instance_uid: str) -> FurtherSeries:
    """The series that a further input takes, as it is now.

    Raises:
        Gone: it is no longer there.
    """
    series_orthanc_id = orthanc.find_series(series_instance_uid)
    if series_orthanc_id is None:
        raise InputGone(series_instance_uid)
    listed = orthanc.instances_of(series_orthanc_id)
    return FurtherSeries(input_name, series_orthanc_id, series_instance_uid, snapshot(listed))


def described_file(header: Dataset) -> SeriesFacts:
    """The facts of a series of which one file is at hand: for trying rules on it."""
    return SeriesFacts(
        study_instance_uid=str(header.get("StudyInstanceUID", "")),
        series_instance_uid=str(header.get("SeriesInstanceUID", "")),
        attributes=attributes_of(header),
        instances=(),
        number_of_instances=1,
        calling_ae_title="",
        called_ae_title="",
        remote_ip="",
        received=datetime.now().astimezone(),
    )


def per_instance(
    orthanc: OrthancRest, series_orthanc_id: str, listed: Sequence[Mapping[str, Any]], rules: Sequence[Rule]
) -> tuple[Mapping[str, Attribute], ...]:
    """What rules look at, of every instance: from the index where it is there, from the headers else."""
    wanted = {keyword for keyword in wanted_attributes(rules) if keyword not in SAME_IN_A_SERIES}
    indexed = [split_values(entry["MainDicomTags"]) for entry in listed]
    known = set.intersection(*(set(entry) for entry in indexed))
    missing = wanted - known
    if not missing:
        return tuple({key: entry[key] for key in wanted} for entry in indexed)
    headers = orthanc.json(f"/series/{series_orthanc_id}/instances-tags?simplify")
    return tuple(
        {key: split_text(value) for key, value in header.items() if key in wanted and isinstance(value, str)}
        for header in headers.values()
    )


def per_frame(file: bytes, rules: Sequence[Rule]) -> tuple[Mapping[str, Attribute], ...]:
    """What rules look at, of every frame of an Enhanced instance; nothing for any other, or a damaged one."""
    try:
        frames = frame_datasets(file)
    except Refused:
        return ()
    wanted = wanted_attributes(rules) - SAME_IN_A_SERIES
    return tuple(
        {keyword: value for keyword, value in attributes_of(frame).items() if keyword in wanted}
        for frame in frames
    )


def attributes_of(header: Dataset) -> dict[str, str | tuple[str, ...]]:
    """Top-level public attributes by keyword; bulk and long texts are left out, sequences only exist."""
    found: dict[str, str | tuple[str, ...]] = {}
    for element in header:
        if element.tag.is_private or not element.keyword or element.VR in ("OB", "OW", "UN"):
            continue
        value = IS_THERE if element.VR == "SQ" else simplified(element.value)
        if len(str(value)) <= TOO_LONG:
            found[element.keyword] = value
    return found


def simplified(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, MultiValue | list | tuple):
        return tuple(str(part) for part in value)
    return "" if value is None else str(value)


def split_values(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """Orthanc joins several values with a backslash, as DICOM does."""
    return {keyword: split_text(value) for keyword, value in tags.items()}


def split_text(value: str) -> Attribute:
    return tuple(value.split("\\")) if "\\" in value else value
