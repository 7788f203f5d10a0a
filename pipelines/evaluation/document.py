"""`evaluation.json`: the published form of an evaluation (docs/evaluate.md, docs/evaluation.schema.json)."""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from pipelines.evaluation.figures import Better
from pipelines.manifest_part import ManifestPart

DIGITS = 6
"""Significant digits of every number: more than any of them is worth, fewer than machines differ in."""


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}") if isfinite(value) else value


Number = Annotated[float, AfterValidator(rounded)]


class Part(ManifestPart):
    """A piece of the document; further keys are an error within a schema version."""

    model_config = ConfigDict(populate_by_name=True)


class EvaluatedPipeline(Part):
    """What was evaluated."""

    name: str
    version: str
    task: str
    family: str
    generative: bool
    model_sha256: str
    config_sha256: str
    seed: int
    execution_provider: str
    runtime: str
    node_version: str


class SeriesRow(Part):
    """One pair of series. Patients and series are numbers: nothing here names anybody."""

    series: int
    patient: int
    modality: str
    slices: int
    rows: int
    columns: int
    pixel_spacing_mm: tuple[Number, Number]
    slice_spacing_mm: Number | None
    paired_by: str
    group: str
    verdict: Literal["PASS", "WARN", "HOLD"]
    """Of the gate, without a reference. A held result is evaluated like any other."""
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What could not be measured on it, and why."""


class RefusedRow(Part):
    """A series of the input that was not evaluated."""

    reason: str
    text: str


class Cohort(Part):
    """On what."""

    patients: int
    series: tuple[SeriesRow, ...]
    refused: tuple[RefusedRow, ...]

    @property
    def slices(self) -> int:
        return sum(row.slices for row in self.series)


class Figure(Part):
    """A mean over patients (or phantoms) with the 95 % interval of a bootstrap over them."""

    key: str
    """Says the same as the fields below in one line, and is what patient rows and tests refer to."""
    tier: Literal[1, 2, 3]
    figure: str
    unit: str
    image: str
    """Of which image: result, input, a baseline (non-local means, total variation, intensity lookup, learned
    curve and its name), or attainable."""
    mask: str
    window: str
    better: Better
    group: str
    """The group of series (`--groups`) it is about; empty for all series."""
    mean: Number
    low95: Number | None
    high95: Number | None
    count: int
    over: Literal["patients", "phantom images", "lesions"] = "patients"
    """What `count` counts."""


class PatientRow(Part):
    """One patient's values by figure key."""

    patient: int
    key: str
    """Digest of the patient's reference series: the same patient in another evaluation has the same."""
    values: dict[str, Number]


class FigureTest(Part):
    """A figure of two images, or of two models, on the same patients (Wilcoxon, adjusted after Holm)."""

    figure: str
    against: str
    pairs: int
    median_difference: Number
    p: Number | None
    p_holm: Number | None


class Curve(Part):
    """Something drawn: `y` over `x`, one line of a plot."""

    plot: str
    label: str
    x_name: str
    y_name: str
    points: bool = False
    """Separate points, not a line."""
    x: tuple[Number, ...]
    y: tuple[Number, ...]


class ComparedFigure(Part):
    """One figure of two models side by side; difference is this one minus the other."""

    key: str
    mean: Number
    other_mean: Number
    difference: Number
    low95: Number | None
    high95: Number | None
    pairs: int
    p: Number | None
    p_holm: Number | None
    better: Literal["this", "other", "neither"]
    """Where the adjusted p is below 0.05 and the figure has a better side."""


class Comparison(Part):
    """Against another model, or another version, on the same patients."""

    other: EvaluatedPipeline
    pairs: int
    figures: tuple[ComparedFigure, ...]


class Settings(Part):
    """How it was measured."""

    tiers: tuple[Literal[1, 2, 3], ...]
    baseline_noise: Literal["estimated", "oracle", "none"]
    baselines: tuple[str, ...] = ()
    lesion_rounds: int = 2
    """How often 27 lesions were drawn into a series."""
    bootstrap_resamples: int
    masks: dict[str, str]
    windows: dict[str, str]
    methods: dict[str, str] = Field(default_factory=dict)
    """What each figure is, in a sentence, with its source."""


Headline = dict[str, dict[str, dict[str, int | Number]]]
"""Image to figure to Mean, Low95, High95 and Patients: what `orthogen pipelines` shows."""


class Evaluation(Part):
    """The whole of `evaluation.json`."""

    schema_version: Literal["1.0.0", "1.1.0"] = "1.1.0"
    pipeline: EvaluatedPipeline
    settings: Settings
    cohort: Cohort
    headline: Headline
    figures: tuple[Figure, ...]
    tests: tuple[FigureTest, ...]
    patients: tuple[PatientRow, ...]
    curves: tuple[Curve, ...] = ()
    comparison: Comparison | None = None

    def text(self) -> str:
        """As the file holds it."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def evaluation_schema() -> dict[str, Any]:
    """JSON Schema of `evaluation.json`."""
    schema = Evaluation.model_json_schema(by_alias=True)
    title = "Orthogen evaluation (evaluation.json)"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def schema_text() -> str:
    """As the published file holds it."""
    return json.dumps(evaluation_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
