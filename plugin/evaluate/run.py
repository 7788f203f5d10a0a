"""One evaluation from folders to `evaluation.json` and `report.html`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from dicom_templates.conformance import NotConforming
from pipelines.errors import ConfigurationError, Refused
from pipelines.evaluation.assemble import (
    against_baselines,
    agreement_figures,
    detection_figures,
    figures_of,
    headline_of,
    patient_rows,
)
from pipelines.evaluation.cohort import Cohort, Wanted
from pipelines.evaluation.curves import agreement_curves, detection_curves
from pipelines.evaluation.document import (
    Cohort as CohortPart,
)
from pipelines.evaluation.document import (
    EvaluatedPipeline,
    Evaluation,
    RefusedRow,
    SeriesRow,
)
from pipelines.evaluation.document import Settings as SettingsPart
from pipelines.evaluation.figures import LOOKUP
from pipelines.evaluation.inference import Inference
from pipelines.evaluation.intensity import learned_image
from pipelines.evaluation.methods import methods
from pipelines.evaluation.paired import compare
from pipelines.evaluation.scale import MASKS, WINDOWS
from pipelines.manifest import Manifest, Task
from pipelines.measures.intervals import RESAMPLES
from pipelines.pipeline import Pipeline
from plugin.evaluate.stacks import Pair, Stack, pair, patient_digests, stacks_in
from plugin.evaluate.subjects import Place, Runner, subject_of
from plugin.identity import node_version
from plugin.run_job import Outcome

Say = Callable[[str], None]
MANY_SERIES = 12
"""From there on each series gives enough lesions in one round."""


@dataclass(frozen=True)
class Folders:
    """Where series lie."""

    input: Path
    reference: Path
    groups: bool = False
    """Whether each folder directly below `input` is a group of series with figures of its own."""

    def group_of(self, source: Stack) -> str:
        """Empty for a series that lies in no folder of its own."""
        first = PurePath(source.folder).parts[:1]
        return first[0] if self.groups and first else ""


@dataclass(frozen=True)
class Measured:
    """An evaluation, and what only the report shows."""

    evaluation: Evaluation
    cohort: Cohort

    def beside(self, other: Evaluation) -> Measured:
        """With the comparison. Raises Refused where no patient is in both."""
        comparison = compare(self.evaluation, other)
        return replace(self, evaluation=self.evaluation.model_copy(update={"comparison": comparison}))


def evaluate(folders: Folders, runner: Runner, wanted: Wanted, say: Say) -> Measured:
    """Runs the pipeline over every series that has a reference, and measures the results.

    Raises Refused: no series could be evaluated. ConfigurationError: curves for what is no translation.
    """
    require_single_input(runner.pipeline)
    wanted = for_task(wanted, runner.pipeline.entry.manifest)
    pairs, refused = paired_series(folders, say)
    digests = patient_digests(pairs)
    numbers = {digest: number for number, digest in enumerate(sorted(digests.values()), start=1)}
    wanted = replace(wanted, lesion_rounds=1) if len(pairs) > MANY_SERIES else wanted
    cohort = Cohort(wanted, Inference(runner.pipeline, runner.seed), say)
    rows: list[tuple[str, SeriesRow]] = []
    for each in pairs:
        digest, series = digests[each.source.patient_id], len(rows) + 1
        say(f"patient {numbers[digest]} of {len(numbers)}, series {series} of {len(pairs)}")
        place = Place(digest, series, folders.group_of(each.source))
        try:
            outcome, notes = measure_pair(each, runner, cohort, place)
        except (Refused, NotConforming) as error:
            refusal = as_refusal(error)
            say(f"series {series} refused ({refusal.reason}): {refusal}")
            refused.append(refusal)
            continue
        rows.append((digest, series_row(each, outcome, place, notes)))
    if not rows:
        first = refused[0] if refused else Refused("no-series", "there is nothing to evaluate")
        raise Refused(first.reason, f"no series was evaluated: {first.what}", remedy=first.remedy)
    manifest = runner.pipeline.entry.manifest
    if 3 in wanted.tiers and manifest.task != "translate":
        cohort.read_phantoms(in_hu=manifest.inputs[0].quantity == "hounsfield_units")
    return Measured(document(runner, wanted, cohort, rows, refused), cohort)


def for_task(wanted: Wanted, manifest: Manifest) -> Wanted:
    """A translation keeps no values that could be denoised, anything else no curve could have taught."""
    if manifest.task == "translate":
        return replace(wanted, baselines=None)
    if wanted.curves is not None:
        raise ConfigurationError(
            f"--baseline-curve belongs to translations, and the task of {manifest.name} is {manifest.task}",
            remedy="leave it out",
        )
    return wanted


def as_refusal(error: Refused | NotConforming) -> Refused:
    """A result that breaks a rule of the standard is no result either."""
    if isinstance(error, Refused):
        return error
    return Refused("result-not-conforming", error.what, remedy=error.remedy)


def require_single_input(pipeline: Pipeline) -> None:
    """Raises Refused for a pipeline of several inputs: which series goes where only a rule can say."""
    manifest = pipeline.entry.manifest
    if len(manifest.inputs) > 1:
        raise Refused(
            "several-inputs",
            f"{manifest.name} takes {len(manifest.inputs)} series at once; folders cannot say which is which",
            remedy="evaluate a pipeline of one input",
        )


def paired_series(folders: Folders, say: Say) -> tuple[list[Pair], list[Refused]]:
    """Every series of the input with its reference, and why some have none."""
    references = stacks_in(folders.reference, say)
    pairs, refused = [], []
    for source in stacks_in(folders.input, say):
        try:
            pairs.append(pair(source, references))
        except Refused as refusal:
            say(f"a series in {source.folder} is left out ({refusal.reason}): {refusal}")
            refused.append(refusal)
    return pairs, refused


def measure_pair(each: Pair, runner: Runner, cohort: Cohort, place: Place) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome of the run, and what could not be measured."""
    with tempfile.TemporaryDirectory(prefix="orthogen-evaluate-") as scratch:
        written, outcome = runner.run(each.source, Path(scratch))
        notes = cohort.measure(subject_of(each, written, runner.pipeline, place))
    return outcome, notes


def series_row(each: Pair, outcome: Outcome, place: Place, notes: tuple[str, ...]) -> SeriesRow:
    """Its patient's number is filled in when all patients are known."""
    grid = each.source.plan.grid
    return SeriesRow(
        series=place.series,
        patient=0,
        modality=modality_of(each.source),
        slices=grid.slices,
        rows=grid.rows,
        columns=grid.columns,
        pixel_spacing_mm=grid.pixel_spacing_mm,
        slice_spacing_mm=grid.slice_spacing_mm,
        paired_by=each.rule,
        group=place.group,
        verdict=outcome.verdict.level,
        reasons=outcome.verdict.reasons,
        notes=notes,
    )


def modality_of(stack: Stack) -> str:
    return str(stack.planned.first.Modality)


def document(
    runner: Runner,
    wanted: Wanted,
    cohort: Cohort,
    rows: Sequence[tuple[str, SeriesRow]],
    refused: Sequence[Refused],
) -> Evaluation:
    """`evaluation.json`, all of it."""
    figures = (
        *figures_of(cohort.table.intervals()),
        *agreement_figures(cohort.measurements),
        *detection_figures(cohort.detections),
    )
    numbers = {patient: number for number, patient in enumerate(cohort.table.patients, start=1)}
    return Evaluation(
        pipeline=evaluated_pipeline(runner),
        settings=settings_part(wanted, runner.pipeline.entry.manifest.task),
        cohort=CohortPart(
            patients=len(numbers),
            series=tuple(row.model_copy(update={"patient": numbers[digest]}) for digest, row in rows),
            refused=tuple(RefusedRow(reason=each.reason, text=str(each)) for each in refused),
        ),
        headline=headline_of(figures),
        figures=figures,
        tests=against_baselines(cohort.table.by_patient()),
        patients=patient_rows(cohort.table),
        curves=(
            *cohort.curves.curves(),
            *detection_curves(cohort.detections),
            *agreement_curves(cohort.measurements),
        ),
    )


def evaluated_pipeline(runner: Runner) -> EvaluatedPipeline:
    entry = runner.pipeline.entry
    return EvaluatedPipeline(
        name=entry.manifest.name,
        version=entry.manifest.version,
        task=entry.manifest.task,
        family=entry.manifest.family,
        generative=entry.manifest.generative,
        model_sha256=entry.model_sha256,
        config_sha256=entry.config_sha256,
        seed=runner.seed,
        execution_provider=runner.pipeline.execution_provider,
        runtime=runner.pipeline.runtime,
        node_version=node_version(),
    )


def settings_part(wanted: Wanted, task: Task) -> SettingsPart:
    names: tuple[str, ...] = wanted.baselines.names if wanted.baselines else ()
    if task == "translate":
        curves = wanted.curves.curves if wanted.curves else ()
        names = (LOOKUP, *(learned_image(curve) for curve in curves))
    return SettingsPart(
        tiers=wanted.tiers,
        baseline_noise=wanted.baselines.knows if wanted.baselines else "none",
        baselines=names,
        lesion_rounds=wanted.lesion_rounds,
        bootstrap_resamples=RESAMPLES,
        masks=dict(MASKS),
        windows=dict(WINDOWS),
        methods=methods(wanted.tiers),
    )
