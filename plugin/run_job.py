"""THE PATH of the data, one line a stage: fetch > to_volume > preprocess > infer > check > to_series > store.

(receive > route come before it, in `receive.py`.) It is a stream: every stage is an iterator over the slices
in their order, with a bounded look-ahead, so reading, inference, writing and storing overlap and no series is
ever held whole. The path knows neither Orthanc nor the queue: both ends are given to it as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset

from dicom_templates.identity import RunIdentity
from dicom_templates.references import Reference
from dicom_templates.series_plan import SeriesPlan, SliceHeader, accept_source, check_slice, plan_series
from dicom_templates.source import SourceSlice, read_header, read_slice
from dicom_templates.to_series import SeriesWriter, WrittenInstance, template_for
from pipelines.ahead import map_ahead
from pipelines.envelope import accept
from pipelines.errors import Refused
from pipelines.gate import Gate, Verdict
from pipelines.manifest import Manifest
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceGrid, SliceResult, SliceValues

FETCHED_AHEAD = 6
STORED_AHEAD = 4


Headers = Sequence[tuple[str, SliceHeader]]
"""Key and header of each instance of a series, in any order."""


@dataclass(frozen=True)
class Inputs:
    """The series of the pipeline's first input, and of its further ones by name."""

    first: Headers
    further: Mapping[str, Headers] = field(default_factory=dict)


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


def run_job(series: Inputs, pipeline: Pipeline, identity: RunIdentity, ends: Ends) -> Outcome:
    """Runs one pipeline over one series, or several that lie on one grid.

    Raises:
        Refused: the series, or one of its slices, must not be processed. What was stored before that was seen
        is
            the caller's to withdraw.
        PassingTrouble: an end is down or busy.
        JobInterrupted: the job was cancelled or taken over.
    """
    plan, further, writer = plan_result(series, pipeline, identity, ends)
    gate = Gate(pipeline.entry.manifest)
    sources: dict[int, SourceSlice] = {}
    clipped = 0
    ends.begin(writer.series_instance_uid)
    with ThreadPoolExecutor(FETCHED_AHEAD + STORED_AHEAD, thread_name_prefix="ends") as threads:
        fetched = map_ahead(ends.fetch, keys(plan), executor=threads, ahead=FETCHED_AHEAD)
        slices = to_volume(fetched, plan, sources)
        others = {name: to_volume(map(ends.fetch, keys(other)), other, {}) for name, other in further.items()}
        results = pipeline.stream(slices, plan.grid, seed=identity.seed, further=others)  # preprocess > infer
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
    series: Inputs, pipeline: Pipeline, identity: RunIdentity, ends: Ends
) -> tuple[SeriesPlan, dict[str, SeriesPlan], SeriesWriter]:
    """Refuses what must not be processed before anything is stored, and opens the result series."""
    ends.report("fetch", 0.0)
    manifest = pipeline.entry.manifest
    first, plan = plan_input(series.first, manifest, manifest.inputs[0].name, ends)
    further = {}
    for name, headers in series.further.items():
        further[name] = plan_input(headers, manifest, name, ends)[1]
        require_same_grid(name, further[name].grid, plan.grid)
    writer = SeriesWriter(
        template=template_for(manifest.task, str(first.Modality)),
        identity=identity,
        plan=plan,
        first=first,
        context_slices=pipeline.context_slices,
        other_sources=[reference for other in further.values() for reference in references(other)],
    )
    return plan, further, writer


def plan_input(headers: Headers, manifest: Manifest, name: str, ends: Ends) -> tuple[Dataset, SeriesPlan]:
    """One input's series as a stack of slices, if the pipeline takes it."""
    wanted = manifest.input(name)
    first = read_header(ends.fetch(headers[0][0]))
    accept_source(first, modality=wanted.modality, quantity=wanted.quantity)
    plan = plan_series(headers, first=first)
    accept(manifest, modality=str(first.Modality), grid=plan.grid, quantity=wanted.quantity, input_name=name)
    return first, plan


def require_same_grid(name: str, found: SliceGrid, wanted: SliceGrid) -> None:
    """Raises Refused: series are never registered or resampled onto each other silently."""
    same_pixels = (found.rows, found.columns, found.slices) == (wanted.rows, wanted.columns, wanted.slices)
    if not same_pixels or not np.allclose(found.positions_lps_mm, wanted.positions_lps_mm, atol=0.05):
        raise Refused(
            "inputs-not-aligned",
            f"the series of input {name} does not lie on the grid of the first input",
            remedy="acquire or reconstruct both on one grid",
        )


def references(plan: SeriesPlan) -> list[Reference]:
    alike = dict(plan.constants.alike)
    return [
        Reference(alike["SOPClassUID"], planned.sop_instance_uid, alike["SeriesInstanceUID"])
        for planned in plan.slices
    ]


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
