"""The gate in the path: every instance of a result series is checked before it is stored.

The instances of a series are alike but for a few elements. An instance whose other elements stand to its
source exactly as in an instance that has passed all rules and dciodvfy is held to the rules on those few
alone; any other goes through everything. So each instance is checked, at a tenth of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from dicom_templates import tags
from dicom_templates.conformance.comparison import Comparison, Finding
from dicom_templates.conformance.dciodvfy import dciodvfy, without_values
from dicom_templates.conformance.reference_bytes import (
    items,
    referenced_series,
    references,
    without_instance,
)
from dicom_templates.conformance.rules import RULES
from dicom_templates.explicit_vr import RawElement
from dicom_templates.part10 import Part10, scan
from dicom_templates.raw_values import raw_bytes
from dicom_templates.source import SourceSlice, stored_value_encoding
from dicom_templates.stored_values import Stored
from dicom_templates.template import Kind
from dicom_templates.to_series import WrittenInstance
from pipelines.errors import OrthogenError

_SOURCE_IMAGE_SEQUENCE, _REFERENCED_SERIES_SEQUENCE = 0x00082112, 0x00081115
_OWN_TO_AN_INSTANCE = frozenset(
    {
        tags.SOP_INSTANCE_UID,
        _SOURCE_IMAGE_SEQUENCE,
        _REFERENCED_SERIES_SEQUENCE,
        tags.WINDOW_CENTER,
        tags.WINDOW_WIDTH,
        tags.LOSSY_IMAGE_COMPRESSION_RATIO,
    }
)
_RULES_ON_THOSE = frozenset({"G01", "G03", "G16", "G20b", "G21", "G23"})
"""The references are compared by their bytes."""
_ONLY_COMPARED = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "AcquisitionDate",
        "AcquisitionTime",
        "AcquisitionDateTime",
        "AcquisitionNumber",
        "CTDIvol",
        "DataCollectionCenterPatient",
        "EstimatedDoseSaving",
        "Exposure",
        "ExposureTime",
        "ExposureInuAs",
        "FrameOfReferenceUID",
        "ImagePositionPatient",
        "InstanceNumber",
        "IrradiationEventUID",
        "ReconstructionTargetCenterPatient",
        "SliceLocation",
        "TableHeight",
        "TriggerTime",
        "XRayTubeCurrent",
    )
)
"""Copied attributes that vary within a series; rules ask of them only whether they are the source's."""
_SOURCE_VALUE_IS_NOT_LOOKED_AT = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("ContentDate", "ContentTime", "InstanceCreationDate", "InstanceCreationTime")
)

Fingerprint = frozenset[tuple[int, bytes]]


@dataclass(frozen=True)
class GateReport:
    """What is wrong with one instance."""

    findings: tuple[Finding, ...]
    errors: tuple[str, ...]
    """Errors of dciodvfy that the source does not share."""
    warnings: tuple[str, ...]
    """Warnings of dciodvfy that are neither expected nor the source's."""

    @property
    def passed(self) -> bool:
        """True when the instance may leave."""
        return not self.findings and not self.errors


class NotConforming(OrthogenError):
    """A result instance did not pass the conformance gate; nothing of its series may be sent."""

    def __init__(self, report: GateReport) -> None:
        broken = [f"{finding.rule} {finding.message}" for finding in report.findings]
        super().__init__(
            "; ".join([*broken, *(f"dciodvfy: {without_values(error)}" for error in report.errors)][:5]),
            remedy="keep the series in quarantine and report it to the makers of this software",
        )
        self.report = report


class SeriesGate:
    """Checks the instances of one result series, in any order."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._passed: set[Fingerprint] = set()

    def check(self, instance: WrittenInstance, source: SourceSlice) -> GateReport:
        """What is wrong with `instance`, the result for `source`."""
        result = scan(instance.data)
        fingerprint = _fingerprint(result, source)
        known = fingerprint in self._passed and _references_are_right(result, source)
        findings = self._findings(result, source, only_own=known)
        if known:
            return GateReport(findings, (), ())
        ours, theirs = dciodvfy(instance.data), dciodvfy(source.file)
        report = GateReport(findings, ours.own_errors(theirs), ours.unexpected_warnings(theirs))
        if report.passed:
            self._passed.add(fingerprint)
        return report

    def require(self, instance: WrittenInstance, source: SourceSlice) -> WrittenInstance:
        """The instance, if it passes. Raises NotConforming."""
        report = self.check(instance, source)
        if not report.passed:
            raise NotConforming(report)
        return instance

    def _findings(self, result: Part10, source: SourceSlice, *, only_own: bool) -> tuple[Finding, ...]:
        comparison = Comparison(
            result.header,
            source.header,
            self._kind,
            (_samples(result), source.stored_values),
            source.frame_number,
        )
        return tuple(
            Finding(rule.id, message)
            for rule in RULES
            if (not only_own or rule.id in _RULES_ON_THOSE) and rule.applies(comparison)
            for message in rule.check(comparison)
        )


def _samples(result: Part10) -> Stored:
    pixels = result.pixels if result.pixels is not None else b""
    dtype = stored_value_encoding(result.elements).dtype
    return np.frombuffer(pixels if len(pixels) % 2 == 0 else b"", dtype)


def _fingerprint(result: Part10, source: SourceSlice) -> Fingerprint:
    """How the result stands to its source, but for what is an instance's own.

    Values of all elements of the result, but for those that only have to be the source's; values of the
    source's elements where the result's are other ones; and which elements of the source the result lacks.
    """
    theirs = source.elements
    marks: set[tuple[int, bytes]] = set()
    for tag, raw in result.elements.items():
        if tag in _OWN_TO_AN_INSTANCE:
            marks |= {(tag, mark) for mark in _marks_of_own(tag, raw)}
            continue
        value, other = _trimmed(raw), theirs.get(tag)
        same = other is not None and _trimmed(other) == value
        vr = str(raw.VR).encode("ascii")
        marks.add((tag, vr + (b"=" if same and tag in _ONLY_COMPARED else b":" + value)))
        if other is not None and not same and tag not in _SOURCE_VALUE_IS_NOT_LOOKED_AT:
            marks.add((-tag, b":" + _trimmed(other)))
    marks |= {(-tag, b"" if raw_bytes(theirs, tag) else b"0") for tag in theirs if tag not in result.elements}
    return frozenset(marks)


def _marks_of_own(tag: int, raw: RawElement) -> set[bytes]:
    """That the element is there; of references, all but the instances they name."""
    value = _trimmed(raw)
    if tag == _SOURCE_IMAGE_SEQUENCE:
        return {without_instance(each) for each in items(value)}
    if tag == _REFERENCED_SERIES_SEQUENCE:
        return {series.encode("utf-8") for series in referenced_series(value)}
    return {b""}


def _references_are_right(result: Part10, source: SourceSlice) -> bool:
    """The source first, each image once, and the same ones by series; else all rules have a look."""
    sequences = (
        result.elements.get(_SOURCE_IMAGE_SEQUENCE),
        result.elements.get(_REFERENCED_SERIES_SEQUENCE),
    )
    images, by_series = (references(_trimmed(raw)) if raw else [] for raw in sequences)
    instances = sorted({uid for uid, _ in images})
    return (
        images[:1] == [(source.sop_instance_uid, source.frame_number)]
        and len(set(images)) == len(images)
        and sorted(uid for uid, _ in by_series) == instances
    )


def _trimmed(raw: RawElement) -> bytes:
    if isinstance(raw, RawDataElement):
        return (raw.value or b"").rstrip(b" \0")
    return repr(raw.value).encode("utf-8")
