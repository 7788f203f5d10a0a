"""Tables of the model cards, from an evaluation alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from pipelines.measures.intervals import Interval
from training.evaluated import Evaluated, Groups

Rows = Mapping[str, Groups]
"""Label of a table's row to the groups of series that it is about."""
NOTHING = "-"
OBSERVER = "CHO d' (Laguerre-Gauss)"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [list(headings), ["---"] * len(headings), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(found: Interval | None, digits: int, sign: str = "") -> str:
    """`mean [low, high]`: over patients, the 95 % interval of a bootstrap over them."""
    if found is None:
        return NOTHING
    if found.low95 is None or found.high95 is None:
        return f"{found.mean:{sign}.{digits}f}"
    return f"{found.mean:{sign}.{digits}f} [{found.low95:{sign}.{digits}f}, {found.high95:{sign}.{digits}f}]"


def mean(found: Interval | None, digits: int) -> str:
    """Without its interval."""
    return NOTHING if found is None else f"{found.mean:.{digits}f}"


def detection_table(found: Evaluated) -> str:
    """d' of the phantom's rods before and after the pipeline: a row a rod, a column a dose."""
    places = [
        figure.mask for figure in found.evaluation.figures if figure.key.startswith(f"{OBSERVER} | result")
    ]
    rods = sorted({place.split(", ")[1] for place in places}, key=natural)
    doses = sorted({place.split(", ")[2] for place in places}, key=natural, reverse=True)
    rows = [[rod, *(_detected(found, f"phantom, {rod}, {dose}") for dose in doses)] for rod in rods]
    return table(["rod", *doses], rows)


def _detected(found: Evaluated, place: str) -> str:
    before, after = (found.figure(f"{OBSERVER} | {image} | {place}") for image in ("input", "result"))
    if before is None or after is None:
        return NOTHING
    return f"{before.mean:.2f} to {shown_figure(after.mean, after.low95, after.high95)}"


def shown_figure(value: float, low: float | None, high: float | None) -> str:
    """`value [low, high]` of a figure that is not over patients."""
    return shown(Interval(value, low, high, 0), 2)


def lesion_table(found: Evaluated) -> str:
    """What became of the lesions drawn in, by kind."""
    figures = found.evaluation.figures
    kept = [f for f in figures if f.figure == "lesion contrast kept" and f.image == "result" and not f.group]
    rows = []
    for place in [*sorted({figure.mask for figure in kept} - {"all lesions"}, key=natural), "all lesions"]:
        survived = found.interval(f"lesions that keep half their contrast % | result | {place}")
        seen = (
            found.interval(f"lesion sensitivity at 95 % specificity % | {image} | {place}")
            for image in ("input", "result", "reference")
        )
        contrast = found.interval(f"lesion contrast kept | result | {place}")
        rows.append([place, shown(contrast, 2), shown(survived, 0), *(mean(each, 0) for each in seen)])
    headings = [
        "drawn in",
        "contrast kept",
        "% keep half of it",
        "% seen in the input",
        "result",
        "reference",
    ]
    return table(headings, rows)


def texture_table(found: Evaluated, rows: Rows, columns: Mapping[str, tuple[str, int]]) -> str:
    """Figures of tier 2 (key, digits) by heading."""
    return table(
        ["series", *columns],
        [
            [label, *(shown(found.interval(key, groups), digits) for key, digits in columns.values())]
            for label, groups in rows.items()
        ],
    )


def natural(text: str) -> list[tuple[float, str]]:
    """For sorting, so that 4 mm comes before 10 mm."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(float(part), "") if number % 2 else (-1.0, part) for number, part in enumerate(parts)]


def write_card(template: Path, folder: Path, parts: Mapping[str, str]) -> None:
    """`MODEL_CARD.md` of the folder; raises KeyError for a part that the template wants and is not there."""
    (folder / "MODEL_CARD.md").write_text(Template(template.read_text()).substitute(parts))


def described(found: Evaluated, folder: Path) -> dict[str, str]:
    """What every card says of its model."""
    of = found.evaluation.pipeline
    return {
        "version": of.version,
        "sha256": of.model_sha256,
        "config": of.config_sha256,
        "size": f"{(folder / 'model.onnx').stat().st_size / 1e6:.1f}",
        "runtime": f"{of.runtime}, {of.execution_provider}",
        "patients": str(found.evaluation.cohort.patients),
        "series": str(len(found.evaluation.cohort.series)),
    }
