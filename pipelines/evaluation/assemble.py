"""From measured values to the figures, tests, rows and headline of `evaluation.json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pipelines.evaluation.detection import Reading
from pipelines.evaluation.document import Figure, FigureTest, Headline, PatientRow
from pipelines.evaluation.figures import (
    ATTAINABLE,
    CURVE,
    INPUT,
    LOOKUP,
    NLM,
    RESULT,
    TV,
    FigureTable,
    Quantity,
)
from pipelines.evaluation.paired import signed_ranks
from pipelines.evaluation.survival import Measurement
from pipelines.measures.agreement import bland_altman
from pipelines.measures.intervals import Interval, PairedTest, bootstrap_mean, holm

Over = Literal["patients", "phantom images", "lesions"]
ByPatient = Mapping[Quantity, Mapping[str, float]]
BASELINES = (INPUT, NLM, TV, LOOKUP)
HEADLINE_FIGURES = ("rmse", "psnr", "ssim", "ms-ssim")
MAIN_MASKS = ("body", "foreground")
MAIN_WINDOWS = ("", "soft tissue", "signal")


def figures_of(intervals: Mapping[Quantity, Interval], over: Over = "patients") -> Iterator[Figure]:
    """One entry for each quantity."""
    for quantity, interval in intervals.items():
        yield Figure(
            key=quantity.key,
            tier=quantity.tier,
            figure=quantity.figure,
            unit=quantity.unit,
            image=quantity.image,
            mask=quantity.mask,
            window=quantity.window,
            better=quantity.better,
            group=quantity.group,
            mean=interval.mean,
            low95=interval.low95,
            high95=interval.high95,
            count=interval.count,
            over=over,
        )


def against_baselines(values: ByPatient) -> tuple[FigureTest, ...]:
    """The result against each baseline, figure by figure; adjusted over all of them."""
    learned = sorted({quantity.image for quantity in values if quantity.image.startswith(CURVE)})
    found = {
        (quantity, against): signed_ranks(quantity.better, values[quantity], values[quantity.of(against)])
        for quantity in values
        if quantity.image == RESULT
        for against in (*BASELINES, *learned)
        if quantity.of(against) in values and values[quantity].keys() & values[quantity.of(against)].keys()
    }
    raw = {f"{q.key} / {a}": test.p for (q, a), test in found.items() if test.p is not None}
    adjusted = holm(raw)
    return tuple(_test(q, a, test, adjusted.get(f"{q.key} / {a}")) for (q, a), test in found.items())


def _test(quantity: Quantity, against: str, test: PairedTest, adjusted: float | None) -> FigureTest:
    return FigureTest(
        figure=quantity.key,
        against=against,
        pairs=test.pairs,
        median_difference=test.median_difference,
        p=test.p,
        p_holm=adjusted,
    )


def patient_rows(table: FigureTable) -> tuple[PatientRow, ...]:
    """Numbered from 1 in the order of their digests."""
    return tuple(
        PatientRow(
            patient=number,
            key=patient,
            values={q.key: value for q, value in sorted(table.rows[patient].means().items())},
        )
        for number, patient in enumerate(table.patients, start=1)
    )


def headline_of(figures: Iterable[Figure]) -> Headline:
    """RMSE, PSNR, SSIM and MS-SSIM of each image on the main mask and window."""
    headline: Headline = {}
    for figure in sorted(figures, key=lambda each: (each.image != RESULT, each.image)):
        main = figure.mask in MAIN_MASKS and figure.window in MAIN_WINDOWS
        whole = figure.tier == 1 and not figure.group and figure.image != ATTAINABLE
        if not (whole and main and figure.figure in HEADLINE_FIGURES):
            continue
        interval = {"Mean": figure.mean, "Low95": figure.low95, "High95": figure.high95}
        known = {name: value for name, value in interval.items() if value is not None}
        name = f"{figure.figure} {figure.unit}".strip()
        headline.setdefault(figure.image, {})[name] = {**known, "Patients": figure.count}
    return headline


def agreement_figures(measurements: Sequence[Measurement]) -> Iterator[Figure]:
    """Bias over patients with its interval; limits of agreement over all lesions (Bland and Altman 1986)."""
    for figure, unit, image in sorted({(each.figure, each.unit, each.image) for each in measurements}):
        mine = [each for each in measurements if (each.figure, each.image) == (figure, image)]
        by_patient: dict[str, list[float]] = {}
        for each in mine:
            by_patient.setdefault(each.patient, []).append(each.value - each.reference)
        quantity = Quantity(3, f"{figure}, bias", unit, image, "all lesions", better="near zero")
        means = [sum(values) / len(values) for _, values in sorted(by_patient.items())]
        yield from figures_of({quantity: bootstrap_mean(means)})
        if len(mine) >= 2:
            found = bland_altman([each.value - each.reference for each in mine])
            for name, limit in (("lower", found.lower_limit), ("upper", found.upper_limit)):
                of = Quantity(3, f"{figure}, {name} limit of agreement", unit, image, "all lesions")
                yield from figures_of({of: Interval(limit, None, None, found.count)}, "lesions")


def detection_figures(readings: Sequence[Reading]) -> Iterator[Figure]:
    """d' of each rod, dose and image, with its exact interval."""
    return figures_of({each.quantity: each.interval for each in readings}, "phantom images")
