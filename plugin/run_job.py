"""THE PATH of the data, one line a stage: fetch > to_volume > preprocess > infer > check > to_series > store.

(receive > route come before it, in `receive.py`.) It is a stream: every stage is an iterator over the slices
in their order, with a bounded look-ahead, so reading, inference, writing and storing overlap and no series is
ever held whole. The path knows neither Orthanc nor the queue: both ends are given to it as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dicom_templates.identity import RunIdentity
from dicom_templates.series_plan import SeriesPlan, SliceHeader, accept_source, check_slice, plan_series
from dicom_templates.source import SourceSlice, read_header, read_slice
from dicom_templates.to_series import SeriesWriter, WrittenInstance, template_for
from pipelines.ahead import map_ahead
from pipelines.envelope import accept
from pipelines.gate import Gate, Verdict
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceResult, SliceValues

FETCHED_AHEAD = 6
STORED_AHEAD = 4


@dataclass(frozen=True)
class Ends:
    """Where the path begins and where it leads."""

    fetch: Callable[[str], bytes]
    """The instance with this key, as a Part 10 file."""
    begin: Callable[[str], None]
    """Told the Series Instance UID of the result before its first instance is stored."""
    store: Callable[[WrittenInstance], None]
    report: Callable[[str, float], None]
    """Told the stage and the share of the work done; raises JobInterrupted when the job is no longer ours."""


@dataclass(frozen=True)
class Outcome:
    """What a run has made."""

    result_series_uid: str
    instances: int
    clipped_voxels: int
    verdict: Verdict
    warnings: tuple[str, ...]


def run_job(
    headers: Sequence[tuple[str, SliceHeader]], pipeline: Pipeline, identity: RunIdentity, ends: Ends
) -> Outcome:
    """Runs one pipeline over one series, given by the key and header of each instance, in any order.

    Raises:
        Refused: the series, or one of its slices, must not be processed. What was stored before that was seen
        is
            the caller's to withdraw.
        PassingTrouble: an end is down or busy.
        JobInterrupted: the job was cancelled or taken over.
    """
    plan, writer = plan_result(headers, pipeline, identity, ends)
    gate = Gate(pipeline.entry.manifest)
    sources: dict[int, SourceSlice] = {}
    clipped = 0
    ends.begin(writer.series_instance_uid)
    with ThreadPoolExecutor(FETCHED_AHEAD + STORED_AHEAD, thread_name_prefix="ends") as threads:
        fetched = map_ahead(ends.fetch, keys(plan), executor=threads, ahead=FETCHED_AHEAD)
        slices = to_volume(fetched, plan, sources)
        results = pipeline.stream(slices, plan.grid, seed=identity.seed)  # preprocess > infer, and back
        checked = gate.watch(results)
        instances = to_series(checked, writer, sources)
        stored = map_ahead(storing(ends), instances, executor=threads, ahead=STORED_AHEAD)
        for done, instance in enumerate(stored, start=1):
            clipped += instance.clipped_voxels
            ends.report("infer", done / plan.grid.slices)
    return Outcome(
        writer.series_instance_uid, plan.grid.slices, clipped, gate.verdict(), tuple(pipeline.warnings)
    )


def plan_result(
    headers: Sequence[tuple[str, SliceHeader]], pipeline: Pipeline, identity: RunIdentity, ends: Ends
) -> tuple[SeriesPlan, SeriesWriter]:
    """Refuses what must not be processed before anything is stored, and opens the result series."""
    ends.report("fetch", 0.0)
    manifest = pipeline.entry.manifest
    wanted = manifest.inputs[0]
    first = read_header(ends.fetch(headers[0][0]))
    accept_source(first, modality=wanted.modality, quantity=wanted.quantity)
    plan = plan_series(headers, first=first)
    accept(manifest, modality=str(first.Modality), grid=plan.grid, quantity=wanted.quantity)
    writer = SeriesWriter(
        template=template_for(manifest.task, str(first.Modality)),
        identity=identity,
        plan=plan,
        first=first,
        context_slices=pipeline.context_slices,
    )
    return plan, writer


def keys(plan: SeriesPlan) -> list[str]:
    return [planned.key for planned in plan.slices]


def to_volume(
    fetched: Iterable[bytes], plan: SeriesPlan, sources: dict[int, SourceSlice]
) -> Iterator[SliceValues]:
    """DICOM ends here: numbers in physical units, each checked against the plan.

    `sources` keeps what `to_series` will need, for as long as the slice is on its way.
    """
    for index, data in enumerate(fetched):
        source = read_slice(data)
        check_slice(plan, index, source)
        sources[index] = source
        yield SliceValues(index, source.values(), source.padding())


def to_series(
    results: Iterable[SliceResult], writer: SeriesWriter, sources: dict[int, SourceSlice]
) -> Iterator[WrittenInstance]:
    """DICOM begins again: one result instance per source slice."""
    for result in results:
        yield writer.write(sources.pop(result.index), result.index, result.values)


def storing(ends: Ends) -> Callable[[WrittenInstance], WrittenInstance]:
    def store(instance: WrittenInstance) -> WrittenInstance:
        ends.store(instance)
        return instance

    return store
