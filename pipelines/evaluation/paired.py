"""Two methods, or two models, on the same patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pipelines.errors import Refused
from pipelines.evaluation.document import ComparedFigure, Comparison, Evaluation, Figure
from pipelines.evaluation.figures import RESULT, Better
from pipelines.measures.intervals import PairedTest, bootstrap_mean, holm, wilcoxon

SIGNIFICANT = 0.05


def cost(better: Better, value: float) -> float:
    """Smaller is better; the value itself for figures that have no better side."""
    if better == "higher":
        return -value
    if better == "near zero":
        return abs(value)
    return abs(value - 1.0) if better == "near one" else value


def signed_ranks(better: Better, first: Mapping[str, float], second: Mapping[str, float]) -> PairedTest:
    """Signed ranks of the costs over the patients that both have; the median difference is of the values."""
    both = sorted(first.keys() & second.keys())
    values = wilcoxon([first[each] for each in both], [second[each] for each in both])
    costs = wilcoxon(
        [cost(better, first[each]) for each in both], [cost(better, second[each]) for each in both]
    )
    return PairedTest(values.pairs, values.median_difference, costs.p)


def compare(this: Evaluation, other: Evaluation) -> Comparison:
    """The results of both, figure by figure, on the patients of both; p adjusted over all figures.

    Raises Refused: no patient is in both evaluations.
    """
    mine, theirs = _rows(this), _rows(other)
    pairs = mine.keys() & theirs.keys()
    if not pairs:
        raise Refused(
            "no-common-patient",
            "the other evaluation has none of these patients",
            remedy="compare evaluations on the same references",
        )
    found = [
        (figure, values, others)
        for figure in this.figures
        if figure.image == RESULT
        and (values := _values(figure, mine, theirs))
        and (others := _values(figure, theirs, mine))
    ]
    tests = [signed_ranks(figure.better, values, others) for figure, values, others in found]
    adjusted = holm({str(place): test.p for place, test in enumerate(tests) if test.p is not None})
    figures = tuple(
        _compared(figure, values, others, test, adjusted.get(str(place)))
        for place, ((figure, values, others), test) in enumerate(zip(found, tests, strict=True))
    )
    apart = tuple(_side_by_side(this, other))
    return Comparison(other=other.pipeline, pairs=len(pairs), figures=(*figures, *apart))


def _side_by_side(this: Evaluation, other: Evaluation) -> Iterator[ComparedFigure]:
    """Figures of phantoms, which have no patients to be paired by: their intervals have to speak."""
    theirs = {figure.key: figure for figure in other.figures}
    for figure in this.figures:
        if figure.over == "phantom images" and figure.image == RESULT and figure.key in theirs:
            mean, other_mean = figure.mean, theirs[figure.key].mean
            yield ComparedFigure(
                key=figure.key,
                mean=mean,
                other_mean=other_mean,
                difference=mean - other_mean,
                low95=None,
                high95=None,
                pairs=0,
                p=None,
                p_holm=None,
                better="neither",
            )


Rows = Mapping[str, Mapping[str, float]]


def _rows(evaluation: Evaluation) -> Rows:
    return {row.key: row.values for row in evaluation.patients}


def _values(figure: Figure, rows: Rows, others: Rows) -> dict[str, float]:
    """Of the patients that have the figure in both."""
    return {
        patient: values[figure.key]
        for patient, values in sorted(rows.items())
        if figure.key in values and figure.key in others.get(patient, {})
    }


def _compared(
    figure: Figure,
    values: Mapping[str, float],
    others: Mapping[str, float],
    test: PairedTest,
    adjusted: float | None,
) -> ComparedFigure:
    differences = bootstrap_mean([value - others[patient] for patient, value in values.items()])
    return ComparedFigure(
        key=figure.key,
        mean=sum(values.values()) / len(values),
        other_mean=sum(others.values()) / len(others),
        difference=differences.mean,
        low95=differences.low95,
        high95=differences.high95,
        pairs=test.pairs,
        p=test.p,
        p_holm=adjusted,
        better=_winner(figure.better, values, others, adjusted),
    )


def _winner(
    better: Better, values: Mapping[str, float], others: Mapping[str, float], adjusted: float | None
) -> Literal["this", "other", "neither"]:
    if better == "neither" or adjusted is None or adjusted >= SIGNIFICANT:
        return "neither"
    mine = sum(cost(better, value) for value in values.values())
    return "this" if mine < sum(cost(better, value) for value in others.values()) else "other"
