"""Tables of the MR pipelines' cards, from `evaluation.json` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from pipelines.measures.intervals import bootstrap_mean


def shown(values: Sequence[float], digits: int, sign: str = "") -> str:
    """`mean [low, high]`: over patients, the 95 % interval of a bootstrap over them."""
    found = bootstrap_mean(values)
    if found.low95 is None or found.high95 is None:
        return f"{found.mean:{sign}.{digits}f}"
    return f"{found.mean:{sign}.{digits}f} [{found.low95:{sign}.{digits}f}, {found.high95:{sign}.{digits}f}]"


def patient_values(evaluation: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """Of each patient, by figure key."""
    return [patient["Values"] for patient in evaluation["Patients"]]


def of_groups(
    patients: Iterable[Mapping[str, float]], key: str, groups: Callable[[str], bool]
) -> list[float]:
    """Of each patient that has any, the mean of a figure over the groups wanted."""
    means = []
    for values in patients:
        found = [
            value
            for name, value in values.items()
            if name.startswith(f"{key} | group ") and groups(name.rpartition("group ")[2])
        ]
        if found:
            means.append(float(np.mean(found)))
    return means


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [list(headings), ["---"] * len(headings), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdicts(evaluation: Mapping[str, Any]) -> str:
    """How many of the evaluated series the gate let pass."""
    found = [row["Verdict"] for row in evaluation["Cohort"]["Series"]]
    return ", ".join(f"{found.count(level)} {level}" for level in ("PASS", "WARN", "HOLD"))


def read(path: Path) -> dict[str, Any]:
    """A JSON file."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def write_card(template: Path, folder: Path, parts: Mapping[str, object]) -> None:
    """`MODEL_CARD.md` of the folder."""
    (folder / "MODEL_CARD.md").write_text(Template(template.read_text()).substitute(parts))
