"""Before the path: what the series are, whether the pipeline takes them, which series will be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydicom import Dataset

from dicom_templates.conformance import SeriesGate
from dicom_templates.enhanced_series import EnhancedWriter
from dicom_templates.enhanced_source import EnhancedInstance, is_enhanced
from dicom_templates.frame_plan import frame_headers
from dicom_templates.identity import RunIdentity
from dicom_templates.mr_contrast import contrast_of
from dicom_templates.references import Reference
from dicom_templates.series_plan import (
    SeriesPlan,
    SliceHeader,
    accept_source,
    check_slice,
    plan_references,
    plan_series,
)
from dicom_templates.source import SourceSlice, read_header, read_slice
from dicom_templates.to_series import SeriesWriter, template_for
from pipelines.envelope import accept
from pipelines.errors import Refused
from pipelines.manifest import Manifest
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceGrid
from plugin.ends import Ends
from plugin.enhanced_output import EnhancedOutput
from plugin.outputs import Output, OutputSeries, Values, difference_values, result_values, spread_values

Form = Literal["classic", "enhanced"]
"""Of a result; enhanced ones are made of Enhanced sources only."""
ENHANCED_TASKS = ("denoise", "restore")
Headers = Sequence[tuple[str, SliceHeader]]
"""Key and header of each instance of a series, in any order."""


@dataclass(frozen=True)
class Inputs:
    """The series of the pipeline's first input, and of its further ones by name."""

    first: Headers
    further: Mapping[str, Headers] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedInput:
    """One input's series as a stack of slices."""

    first: Dataset
    """A header of the series; of an Enhanced instance, what a classic slice would say of its first frame."""
    series: SeriesPlan
    enhanced: EnhancedInstance | None = None
    """The instance whose frames the slices are; None where each slice is an instance of its own."""

    def fetching(self, ends: Ends) -> Callable[[str], bytes]:
        """The file of a slice by its key; the one file of an Enhanced instance is at hand already."""
        enhanced = self.enhanced
        return ends.fetch if enhanced is None else lambda _key: enhanced.file

    def read(self, index: int, file: bytes) -> SourceSlice:
        """The slice at that place in the stack, held against the plan. Raises Refused."""
        planned = self.series.slices[index]
        source = self.enhanced.slice(planned.frame_number or 0) if self.enhanced else read_slice(file)
        check_slice(self.series, index, source)
        return source


@dataclass(frozen=True)
class Plan:
    """What a run will read and write."""

    input: PlannedInput
    further: Mapping[str, PlannedInput]
    outputs: tuple[Output, ...]
    """The result first, then the companions that are series."""

    @property
    def first(self) -> Dataset:
        return self.input.first

    @property
    def series(self) -> SeriesPlan:
        return self.input.series

    @property
    def instances(self) -> int:
        """Of the result: one for each slice, or a single Enhanced one."""
        return 1 if isinstance(self.outputs[0], EnhancedOutput) else self.series.grid.slices

    @property
    def stored(self) -> int:
        """Instances of all outputs."""
        return self.instances + (len(self.outputs) - 1) * self.series.grid.slices


def plan_job(
    inputs: Inputs,
    pipeline: Pipeline,
    identity: RunIdentity,
    companions: Sequence[str],
    ends: Ends,
    form: Form = "classic",
) -> Plan:
    """Raises Refused for what must not be processed, before anything is stored."""
    manifest = pipeline.entry.manifest
    planned = plan_input(inputs.first, manifest, manifest.inputs[0].name, ends)
    first, plan = planned.first, planned.series
    further = {}
    for name, headers in inputs.further.items():
        further[name] = plan_input(headers, manifest, name, ends)
        require_same_grid(name, further[name].series.grid, plan.grid)
    others = [reference for other in further.values() for reference in plan_references(other.series)]
    outputs: list[Output] = []
    if form == "enhanced" and planned.enhanced is not None:
        outputs.append(enhanced_output(planned, planned.enhanced, pipeline, identity, others))
        refuse_beside_enhanced(companions)
    for index, (task, values) in enumerate(output_tasks(manifest, companions), start=1):
        if index <= len(outputs):
            continue
        template = template_for(task, str(first.Modality))
        writer = SeriesWriter(
            template=template,
            identity=identity,
            plan=plan,
            first=first,
            context_slices=pipeline.context_slices,
            series_index=index,
            other_sources=others,
        )
        outputs.append(OutputSeries(task, writer, SeriesGate(template.kind), values))
    return Plan(planned, further, tuple(outputs))


def enhanced_output(
    planned: PlannedInput,
    enhanced: EnhancedInstance,
    pipeline: Pipeline,
    identity: RunIdentity,
    others: Sequence[Reference],
) -> EnhancedOutput:
    """The result as one instance. Raises Refused where the task has no such form."""
    task = pipeline.entry.manifest.task
    if task not in ENHANCED_TASKS:
        raise Refused(
            "enhanced-output",
            f"the result of {task} has no Enhanced form",
            remedy="say Output classic in the rule",
        )
    writer = EnhancedWriter(
        template=template_for(f"{task} to Enhanced", str(planned.first.Modality)),
        identity=identity,
        plan=planned.series,
        instance=enhanced,
        context_slices=pipeline.context_slices,
        other_sources=others,
    )
    return EnhancedOutput(task, writer, enhanced, result_values)


def refuse_beside_enhanced(companions: Sequence[str]) -> None:
    """Raises Refused for what has to name each result slice as an instance of its own."""
    if "parametric-map" in companions:
        raise Refused(
            "enhanced-output",
            "a parametric map is made beside classic results only",
            remedy="say Output classic in the rule, or take the uncertainty as a series",
        )


def output_tasks(manifest: Manifest, companions: Sequence[str]) -> Iterator[tuple[str, Values]]:
    """The task of each series to write, by which its template is found, and what it shows."""
    yield manifest.task, result_values
    if "difference" in companions:
        yield "difference", difference_values
    if "uncertainty" in companions and manifest.has_spread:
        yield "uncertainty", spread_values


def plan_input(headers: Headers, manifest: Manifest, name: str, ends: Ends) -> PlannedInput:
    """One input's series as a stack of slices, if the pipeline takes it."""
    wanted = manifest.input(name)
    first, enhanced, headers = read_first(headers, ends.fetch)
    accept_source(first, modality=wanted.modality, quantity=wanted.quantity)
    plan = plan_series(headers, first=first)
    accept(
        manifest,
        modality=str(first.Modality),
        grid=plan.grid,
        quantity=wanted.quantity,
        input_name=name,
        attributes={keyword: first.get(keyword) for keyword in ("BodyPartExamined", *wanted.attributes)},
        contrast=contrast_of(first) if wanted.contrasts else None,
    )
    return PlannedInput(first, plan, enhanced)


def read_first(
    headers: Headers, fetch: Callable[[str], bytes]
) -> tuple[Dataset, EnhancedInstance | None, Headers]:
    """A header of the series, the Enhanced instance it is if it is one, and the headers of its slices."""
    file = fetch(headers[0][0])
    first = read_header(file)
    if not is_enhanced(first):
        return first, None, headers
    enhanced = EnhancedInstance.of(file)
    return enhanced.header(1), enhanced, frames_of(enhanced, headers)


def frames_of(enhanced: EnhancedInstance, headers: Headers) -> Headers:
    """Each frame as if it were an instance. Raises Refused: which of several instances is meant, or whether
    they belong together, is not guessed.
    """
    if len(headers) > 1:
        raise Refused(
            "several-enhanced",
            f"{len(headers)} instances in a series of Enhanced images; one is read at a time",
            remedy="send each to Orthanc as a series of its own",
        )
    return frame_headers(enhanced, headers[0][0])


def require_same_grid(name: str, found: SliceGrid, wanted: SliceGrid) -> None:
    """Raises Refused: series are never registered or resampled onto each other silently."""
    same_pixels = (found.rows, found.columns, found.slices) == (wanted.rows, wanted.columns, wanted.slices)
    if not same_pixels or not np.allclose(found.positions_lps_mm, wanted.positions_lps_mm, atol=0.05):
        raise Refused(
            "inputs-not-aligned",
            f"the series of input {name} does not lie on the grid of the first input",
            remedy="acquire or reconstruct both on one grid",
        )
