"""Before the path: what the series are, whether the pipeline takes them, which series will be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom import Dataset

from dicom_templates.conformance import SeriesGate
from dicom_templates.identity import RunIdentity
from dicom_templates.references import Reference
from dicom_templates.series_plan import SeriesPlan, SliceHeader, accept_source, plan_series
from dicom_templates.source import read_header
from dicom_templates.to_series import SeriesWriter, template_for
from pipelines.envelope import accept
from pipelines.errors import Refused
from pipelines.manifest import Manifest
from pipelines.pipeline import Pipeline
from pipelines.volume import SliceGrid
from plugin.ends import Ends
from plugin.outputs import OutputSeries, Values, difference_values, result_values, spread_values

Headers = Sequence[tuple[str, SliceHeader]]
"""Key and header of each instance of a series, in any order."""


@dataclass(frozen=True)
class Inputs:
    """The series of the pipeline's first input, and of its further ones by name."""

    first: Headers
    further: Mapping[str, Headers] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a run will read and write."""

    first: Dataset
    """A header of the first input's series."""
    series: SeriesPlan
    further: Mapping[str, SeriesPlan]
    outputs: tuple[OutputSeries, ...]
    """The result first, then the companions that are series."""

    @property
    def slices(self) -> int:
        return self.series.grid.slices


def plan_job(
    inputs: Inputs, pipeline: Pipeline, identity: RunIdentity, companions: Sequence[str], ends: Ends
) -> Plan:
    """Raises Refused for what must not be processed, before anything is stored."""
    manifest = pipeline.entry.manifest
    first, plan = plan_input(inputs.first, manifest, manifest.inputs[0].name, ends)
    further = {}
    for name, headers in inputs.further.items():
        further[name] = plan_input(headers, manifest, name, ends)[1]
        require_same_grid(name, further[name].grid, plan.grid)
    others = [reference for other in further.values() for reference in references(other)]
    outputs = []
    for index, (task, values) in enumerate(output_tasks(manifest, companions), start=1):
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
    return Plan(first, plan, further, tuple(outputs))


def output_tasks(manifest: Manifest, companions: Sequence[str]) -> Iterator[tuple[str, Values]]:
    """The task of each series to write, by which its template is found, and what it shows."""
    yield manifest.task, result_values
    if "difference" in companions:
        yield "difference", difference_values
    if "uncertainty" in companions and has_spread(manifest):
        yield "uncertainty", spread_values


def has_spread(manifest: Manifest) -> bool:
    """Whether the pipeline answers more than once, so that its answers can differ."""
    return manifest.repeats.samples > 1 or bool(manifest.repeats.members)


def plan_input(headers: Headers, manifest: Manifest, name: str, ends: Ends) -> tuple[Dataset, SeriesPlan]:
    """One input's series as a stack of slices, if the pipeline takes it."""
    wanted = manifest.input(name)
    first = read_header(ends.fetch(headers[0][0]))
    accept_source(first, modality=wanted.modality, quantity=wanted.quantity)
    plan = plan_series(headers, first=first)
    accept(
        manifest,
        modality=str(first.Modality),
        grid=plan.grid,
        quantity=wanted.quantity,
        input_name=name,
        attributes={keyword: first.get(keyword) for keyword in ("BodyPartExamined", *wanted.attributes)},
    )
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
