"""What a run writes beside the result: further series slice by slice, objects at the end, the proof."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_templates.companions import CompanionRun, banner, key_objects, parametric_map, quality_report
from dicom_templates.conformance import NotConforming, SeriesGate
from dicom_templates.identity import RunIdentity
from dicom_templates.manifest import ProvenInstance, manifest_of, samples_sha256
from dicom_templates.part10 import scan
from dicom_templates.source import SourceSlice, read_header, read_slice
from dicom_templates.to_series import SeriesWriter, WrittenInstance
from pipelines.gate import Verdict
from pipelines.repeats import UncertainResult
from pipelines.volume import SliceResult

OBJECTS = ("parametric-map", "quality-report", "key-objects", "banner")
BANNER_TEXT = "AI-PROCESSED - NOT FOR PRIMARY DIAGNOSIS"
Values = Callable[[SliceResult], NDArray[np.float32]]
Ready = WrittenInstance | None
Quarantine = Callable[[WrittenInstance, NotConforming], None]


@dataclass(frozen=True)
class OutputSeries:
    """One series that a run writes, one instance per source slice."""

    name: str
    writer: SeriesWriter
    gate: SeriesGate
    values: Values
    """From a result, the (rows, columns) this series shows, in its template's quantity."""

    @property
    def series_instance_uid(self) -> str:
        return self.writer.series_instance_uid

    def write(self, source: SourceSlice, result: SliceResult, quarantine: Quarantine) -> Ready:
        """The instance, if it breaks no rule. Raises NotConforming; then it is in quarantine."""
        instance = self.writer.write(source, result.index, self.values(result))
        try:
            return self.gate.require(instance, source)
        except NotConforming as broken:
            quarantine(instance, broken)
            raise

    def proven(self, source: SourceSlice, instance: WrittenInstance) -> Sequence[ProvenInstance]:
        """The digests that tie a result to its source, sample for sample."""
        return [
            ProvenInstance(
                result_sop_instance_uid=instance.sop_instance_uid,
                result_samples_sha256=samples_sha256(read_slice(instance.data).stored_values),
                source_sop_instance_uid=source.sop_instance_uid,
                source_samples_sha256=samples_sha256(source.stored_values),
                source_transfer_syntax_uid=source.transfer_syntax_uid,
                source_frame_number=source.frame_number,
            )
        ]


class Output(Protocol):
    """One result or companion that is images: a series of instances, or one Enhanced instance."""

    @property
    def series_instance_uid(self) -> str:
        """Of the series that will be written."""

    def write(self, source: SourceSlice, result: SliceResult, quarantine: Quarantine) -> Ready:
        """What is ready to be stored with this slice, if anything is."""

    def proven(self, source: SourceSlice, instance: WrittenInstance) -> Sequence[ProvenInstance]:
        """What ties the instance to its source, sample for sample."""


def result_values(result: SliceResult) -> NDArray[np.float32]:
    return result.values


def difference_values(result: SliceResult) -> NDArray[np.float32]:
    """Result minus source: what the model added is positive."""
    return result.values - result.source.values


def spread_values(result: SliceResult) -> NDArray[np.float32]:
    """One standard deviation over the repeats; only pipelines with repeats have it."""
    assert isinstance(result, UncertainResult)
    return result.spread


@dataclass
class Record:
    """What objects and proof need to know of the instances that have passed by.

    Headers are kept only where an object will quote them, deviations only for a parametric map: a plain run
    stays as small as one slice.
    """

    wanted: Collection[str]
    proven: dict[str, list[ProvenInstance]] = field(default_factory=dict)
    """By Series Instance UID of each series of images."""
    sources: list[Dataset] = field(default_factory=list)
    results: list[Dataset] = field(default_factory=list)
    deviations: list[NDArray[np.float32]] = field(default_factory=list)
    first: SourceSlice | None = None

    def prove(self, series_instance_uid: str, proven: Sequence[ProvenInstance]) -> None:
        self.proven.setdefault(series_instance_uid, []).extend(proven)

    def note(self, source: SourceSlice, result: SliceResult, instance: WrittenInstance | None) -> None:
        """A slice of the result itself, and the instance that is ready with it."""
        self.first = self.first or source
        if any(name in OBJECTS for name in self.wanted):
            if source.frame_number is None or not self.sources:
                self.sources.append(source.header)  # objects refer to instances, not to frames
            if instance is not None:
                self.results.append(read_header(instance.data))
        if "parametric-map" in self.wanted and isinstance(result, UncertainResult):
            self.deviations.append(result.spread)


def objects(
    record: Record, identity: RunIdentity, verdict: Verdict, *, series_index: int
) -> Iterator[WrittenInstance]:
    """The objects that the rule asks for, about a run that has ended."""
    if record.first is None or not record.results:
        return
    wanted = [name for name in OBJECTS if name in record.wanted]
    for number, name in enumerate(wanted):
        run = CompanionRun(identity, record.first, record.sources, record.results, series_index + number)
        yield from _object(name, run, record, verdict)


def _object(name: str, run: CompanionRun, record: Record, verdict: Verdict) -> Iterator[WrittenInstance]:
    if name == "quality-report":
        yield quality_report(run, verdict.level, verdict.reasons, verdict.figures)
    elif name == "key-objects" and verdict.level != "PASS":
        yield key_objects(run, run.results, verdict.reasons)
    elif name == "banner":
        yield banner(run, BANNER_TEXT)
    elif name == "parametric-map" and record.deviations:
        yield parametric_map(run, np.stack(record.deviations))


def manifests(
    record: Record, identity: RunIdentity, verdict: Verdict, source: Dataset
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What will be signed, for each series of images: all that is needed to make it again and to see that it
    is unchanged."""
    for series_instance_uid, instances in record.proven.items():
        yield (
            series_instance_uid,
            manifest_of(
                identity,
                study_instance_uid=str(source.StudyInstanceUID),
                source_series_instance_uid=str(source.SeriesInstanceUID),
                result_series_instance_uid=series_instance_uid,
                instances=instances,
                verdict=verdict.level,
                reasons=verdict.reasons,
                measurements=verdict.figures,
            ),
        )


def series_uid_of(instance: WrittenInstance) -> str:
    """The series an object belongs to."""
    return str(scan(instance.data).header.SeriesInstanceUID)


def names_of(outputs: Sequence[Output]) -> list[str]:
    """The Series Instance UIDs, the result's own first."""
    return [output.series_instance_uid for output in outputs]
