"""THE PATH of the data, one line a stage: fetch > to_volume > preprocess > infer > check > to_series > store.

(receive > route come before it, in `receive.py`.) It is a stream: every stage is an iterator over the slices
in their order, with a bounded look-ahead, so reading, inference, writing and storing overlap and no series is
ever held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dicom_templates.identity import RunIdentity
from dicom_templates.series_plan import SeriesPlan
from dicom_templates.source import SourceSlice
from dicom_templates.to_series import WrittenInstance
from pipelines.ahead import map_ahead
from pipelines.gate import Gate, Verdict
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceResult, SliceValues
from plugin.drift.figures import Origin
from plugin.ends import Ends
from plugin.gate_report import gate_report
from plugin.outputs import Record, manifests, names_of, objects, series_uid_of
from plugin.plan_job import Form, Inputs, Plan, PlannedInput, plan_job

FETCHED_AHEAD = 6
STORED_AHEAD = 4


@dataclass(frozen=True)
class Outcome:
    """What a run has made."""

    result_series_uids: tuple[str, ...]
    """The result's own first, then its companions'."""
    instances: int
    """Of the result series."""
    clipped_voxels: int
    verdict: Verdict
    warnings: tuple[str, ...]
    origin: Origin
    """Where the study came from, for control charts."""


def run_job(
    inputs: Inputs,
    pipeline: Pipeline,
    identity: RunIdentity,
    ends: Ends,
    companions: Sequence[str] = (),
    form: Form = "classic",
) -> Outcome:
    """Runs one pipeline over one series, or several that lie on one grid.

    Raises:
        Refused: the series, or one of its slices, must not be processed. What was stored before that was seen
            is the caller's to withdraw.
        NotConforming: a result instance breaks a rule; it is in quarantine.
        PassingTrouble: an end is down or busy.
        JobInterrupted: the job was cancelled or taken over.
    """
    ends.report("plan", 0.0)
    plan = plan_job(inputs, pipeline, identity, companions, ends, form)
    gate, record = gate_of(pipeline, plan), Record(companions)
    sources: dict[int, SourceSlice] = {}
    uids = names_of(plan.outputs)
    ends.begin(uids)
    clipped = 0
    with ThreadPoolExecutor(FETCHED_AHEAD + STORED_AHEAD, thread_name_prefix="ends") as threads:
        fetch = plan.input.fetching(ends)
        fetched = map_ahead(fetch, keys(plan.series), executor=threads, ahead=FETCHED_AHEAD)
        slices = to_volume(fetched, plan.input, sources)
        results = pipeline.stream(  # preprocess > infer, and back
            slices, plan.series.grid, seed=identity.seed, further=further_slices(plan, ends)
        )
        checked = gate.watch(results)
        instances = to_series(checked, plan, sources, record, ends)
        stored = map_ahead(storing(ends), instances, executor=threads, ahead=STORED_AHEAD)
        for done, instance in enumerate(stored, start=1):
            clipped += instance.clipped_voxels
            ends.report("infer", done / plan.stored)
    verdict = gate.verdict()
    quantity = pipeline.entry.manifest.inputs[0].quantity
    ends.illustrate(uids[0], gate_report(verdict, gate.pictures(), identity, quantity))
    uids += store_objects(record, identity, verdict, uids, ends)
    for uid, signed in manifests(record, identity, verdict, plan.first):
        ends.prove(uid, signed)
    return Outcome(
        tuple(uids), plan.instances, clipped, verdict, tuple(pipeline.warnings), Origin.of(plan.first)
    )


def gate_of(pipeline: Pipeline, plan: Plan) -> Gate:
    return Gate(pipeline.entry.manifest, body_part=str(plan.first.get("BodyPartExamined") or ""))


def keys(plan: SeriesPlan) -> list[str]:
    return [planned.key for planned in plan.slices]


def to_volume(
    fetched: Iterable[bytes], planned: PlannedInput, sources: dict[int, SourceSlice]
) -> Iterator[SliceValues]:
    """DICOM ends here: numbers in physical units, each checked against the plan.

    `sources` keeps what `to_series` will need, for as long as the slice is on its way.
    """
    for index, data in enumerate(fetched):
        source = planned.read(index, data)
        sources[index] = source
        yield SliceValues(index, source.values(), source.padding())


def further_slices(plan: Plan, ends: Ends) -> dict[str, Iterator[SliceValues]]:
    """The slices of the further inputs; of their sources nothing needs to be kept."""
    return {
        name: to_volume(map(other.fetching(ends), keys(other.series)), other, NothingKept())
        for name, other in plan.further.items()
    }


class NothingKept(dict[int, SourceSlice]):
    """A place to put sources that nobody will ask for."""

    def __setitem__(self, _index: int, _source: SourceSlice) -> None:
        return


def to_series(
    results: Iterable[SliceResult], plan: Plan, sources: dict[int, SourceSlice], record: Record, ends: Ends
) -> Iterator[WrittenInstance]:
    """DICOM begins again: one instance per source slice in each output series, or one for all frames of an
    Enhanced source; none that breaks a rule.
    """
    for result in results:
        source = sources.pop(result.index)
        for number, output in enumerate(plan.outputs):
            instance = output.write(source, result, ends.quarantine)
            if number == 0:
                record.note(source, result, instance)
            if instance is not None:
                record.prove(output.series_instance_uid, output.proven(source, instance))
                yield instance


def storing(ends: Ends) -> Callable[[WrittenInstance], WrittenInstance]:
    def store(instance: WrittenInstance) -> WrittenInstance:
        ends.store(instance)
        return instance

    return store


def store_objects(
    record: Record, identity: RunIdentity, verdict: Verdict, uids: Sequence[str], ends: Ends
) -> list[str]:
    """The companions that are about the whole run; returns their Series Instance UIDs."""
    made = list(objects(record, identity, verdict, series_index=len(uids) + 1))
    more = [series_uid_of(instance) for instance in made]
    if more:
        ends.begin([*uids, *more])
    for instance in made:
        ends.store(instance)
    return more
