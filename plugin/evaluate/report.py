"""`report.html`: one page that needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.evaluation.document import Evaluation, Figure
from plugin.evaluate.pictures import (
    curves_picture,
    data_address,
    in_grey_levels,
    patients_picture,
    worst_slice_picture,
)
from plugin.evaluate.run import Measured

TIERS = {1: "Fidelity", 2: "Noise, sharpness, texture", 3: "Task: what can still be seen and measured"}
PLOTTED = ("rmse", "psnr", "ms-ssim")


def write_report(measured: Measured, path: Path) -> None:
    """Writes the page; the same evaluation gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("plugin.evaluate", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=shown, interval=interval)
    evaluation = measured.evaluation
    numbers = {row.key: row.patient for row in evaluation.patients}
    worst = [
        {
            "patient": numbers[each.patient],
            "series": each.series,
            "slice": each.triple.index + 1,
            "error": each.error,
            "picture": data_address(worst_slice_picture(each)),
        }
        for each in measured.cohort.worst
    ]
    page = environment.get_template("report.html").render(
        evaluation=evaluation,
        tiers=list(tables(evaluation.figures)),
        plots=[*patient_plots(evaluation), *curve_plots(evaluation)],
        worst=worst,
        unit=evaluation.figures[0].unit if evaluation.figures else "",
    )
    path.write_text(page, encoding="utf-8")


def write_worst(measured: Measured, folder: Path) -> None:
    """`worst-1.png` and so on: the worst slices of the report as files, for a model card.

    Those of an earlier evaluation go: it may have had more patients.
    """
    for earlier in folder.glob("worst-[0-9].png"):
        earlier.unlink()
    for number, worst in enumerate(measured.cohort.worst, start=1):
        (folder / f"worst-{number}.png").write_bytes(in_grey_levels(worst_slice_picture(worst)))


def shown(value: float | None) -> str:
    """Four digits; a dash for nothing."""
    return "-" if value is None else f"{value:.4g}"


def interval(figure: Figure) -> str:
    if figure.low95 is None:
        return shown(figure.mean)
    return f"{shown(figure.mean)} [{shown(figure.low95)}, {shown(figure.high95)}]"


def tables(figures: Sequence[Figure]) -> Iterator[tuple[str, list[str], list[list[object]]]]:
    """For each tier its title, the images measured, and one row a quantity with a column an image."""
    for tier, title in TIERS.items():
        mine = [figure for figure in figures if figure.tier == tier]
        images = sorted({figure.image for figure in mine}, key=lambda image: (image != "result", image))
        rows: dict[tuple[str, ...], dict[str, Figure]] = {}
        for figure in mine:
            where = ", ".join(part for part in (figure.mask, figure.group) if part)
            what = (figure.figure, figure.unit, where, figure.window, figure.better)
            rows.setdefault(what, {})[figure.image] = figure
        ordered = sorted(rows.items(), key=lambda item: [natural(part) for part in item[0]])
        if mine:
            yield title, images, [[*what, *map(row.get, images)] for what, row in ordered]


def natural(text: str) -> list[tuple[int, str]]:
    """For sorting, so that 4 mm comes before 10 mm."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def patient_plots(evaluation: Evaluation) -> Iterator[str]:
    """RMSE, PSNR and MS-SSIM of each patient."""
    for name in PLOTTED:
        mine = [
            figure
            for figure in evaluation.figures
            if figure.tier == 1 and figure.figure == name and not figure.group
        ]
        if not mine:
            continue
        main = next((f for f in mine if f.mask in ("body", "foreground") and f.window != "lung"), mine[0])
        mask, window = main.mask, main.window
        values = {
            figure.image: [
                (row.patient, row.values[figure.key])
                for row in evaluation.patients
                if figure.key in row.values
            ]
            for figure in mine
            if (figure.mask, figure.window) == (mask, window)
        }
        where = ", ".join(part for part in (mask, f"{window} window" if window else "") if part)
        yield patients_picture(f"{name} ({where})", f"{name} {main.unit}".strip(), values)


def curve_plots(evaluation: Evaluation) -> Iterator[str]:
    for plot, curves in groupby(
        sorted(evaluation.curves, key=lambda each: each.plot), lambda each: each.plot
    ):
        yield curves_picture(plot, list(curves))
