"""A pipeline over one series along the path of every job; what is measured is the DICOM series it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dicom_templates.conformance import NotConforming
from dicom_templates.source import SourceSlice
from dicom_templates.to_series import WrittenInstance
from pipelines.evaluation.subject import Mask, Subject, Triple
from pipelines.pipeline import Pipeline
from plugin.ends import Ends
from plugin.evaluate.stacks import Pair, Stack, stack_of
from plugin.folder_run import series_in
from plugin.identity import Request, run_identity
from plugin.plan_job import Inputs
from plugin.run_job import Outcome, run_job
from plugin.settings import Settings

FIXED_MOMENT_S = 1_735_689_600
"""Of every evaluation, so that a second one writes the same objects: 2025-01-01."""


@dataclass(frozen=True)
class Written:
    """The series that a run has written, read back."""

    result: Stack
    spread: Stack | None
    """The uncertainty series, of a pipeline that answers more than once."""


@dataclass(frozen=True)
class Runner:
    """One open pipeline with its seed."""

    pipeline: Pipeline
    settings: Settings
    seed: int
    progress: Callable[[str, float], None]

    def run(self, source: Stack, scratch: Path) -> tuple[Written, Outcome]:
        """The series it wrote below `scratch`. Raises what `run_job` raises."""
        request = Request("orthogen-evaluate", "orthogen evaluate", FIXED_MOMENT_S, self.seed)
        identity = run_identity(self.pipeline, request, self.settings)
        wanted = ["uncertainty"] if self.pipeline.entry.manifest.has_spread else []
        outcome = run_job(Inputs(source.headers), self.pipeline, identity, self._ends(scratch), wanted)
        found = series_in(scratch, lambda _text: None)
        stacks = [stack_of(found[uid], scratch) for uid in outcome.result_series_uids]
        return Written(stacks[0], stacks[1] if wanted else None), outcome

    def _ends(self, scratch: Path) -> Ends:
        def store(instance: WrittenInstance) -> None:
            (scratch / f"{instance.sop_instance_uid}.dcm").write_bytes(instance.data)

        def quarantine(_instance: WrittenInstance, _broken: NotConforming) -> None:
            """Nothing to keep: the evaluation ends with the error."""

        return Ends(
            fetch=lambda key: Path(key).read_bytes(),
            begin=lambda _series_instance_uids: None,
            store=store,
            quarantine=quarantine,
            prove=lambda _series_instance_uid, _manifest: None,
            illustrate=lambda _series_instance_uid, _html: None,
            report=self.progress,
        )


@dataclass(frozen=True)
class Place:
    """Where a series stands in the evaluation."""

    patient: str
    """The patient's digest."""
    series: int
    group: str


def subject_of(pair: Pair, written: Written, pipeline: Pipeline, place: Place) -> Subject:
    """Input, result and reference side by side; slices are read as they are asked for.

    Where the reference is padding the others take its values, so that no window of pixels that reaches over
    the edge of the measured part finds a difference there.
    """
    manifest = pipeline.entry.manifest

    def triples() -> Iterator[Triple]:
        for index, opposite in enumerate(pair.places):
            source, reference = pair.source.slice(index), pair.reference.slice(opposite)
            there, values = measured(reference), reference.values()
            spread = written.spread.slice(index).values() if written.spread is not None else None
            yield Triple(
                index=index,
                source=np.where(there, source.values(), values),
                result=np.where(there, written.result.slice(index).values(), values),
                reference=values,
                measured=measured(source) & there,
                spread=spread,
            )

    return Subject(
        patient=place.patient,
        series=place.series,
        grid=pair.source.plan.grid,
        quantity=manifest.output_quantity or manifest.inputs[0].quantity,
        keeps_values=manifest.task != "translate",
        group=place.group,
        triples=triples,
    )


def measured(slice_: SourceSlice) -> Mask:
    """True where the header does not call the pixel padding."""
    padding = slice_.padding()
    return np.ones(slice_.stored_values.shape, np.bool_) if padding is None else ~padding
