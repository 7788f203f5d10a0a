"""Looks at a result the way a suspicious receiver would: every instance against its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset, dcmread

from dicom_templates.conformance import check_instance
from dicom_templates.template import Kind


@dataclass(frozen=True)
class Examination:
    """What was found."""

    instances: int
    findings: tuple[str, ...]


def examine(sources: Sequence[bytes], results: Sequence[bytes], kind: Kind) -> Examination:
    """Pairs each result with the source it names first, and holds it against every rule of the checklist."""
    by_uid = {str(source.SOPInstanceUID): source for source in map(parsed, sources)}
    findings: list[str] = []
    for result in map(parsed, results):
        source = by_uid.get(str(result.SourceImageSequence[0].ReferencedSOPInstanceUID))
        if source is None:
            findings.append("G09: a result names no source of this study")
            continue
        findings += [f"{found.rule}: {found.message}" for found in check_instance(result, source, kind)]
    return Examination(len(results), tuple(findings))


def parsed(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))
