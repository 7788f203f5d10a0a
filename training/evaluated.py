"""What `orthogen evaluate` wrote, as a model card asks for it: means over patients, of groups of series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.evaluation.document import Evaluation, Figure, PatientRow
from pipelines.manifest_part import read_part
from pipelines.measures.intervals import Interval, bootstrap_mean

Groups = Sequence[str] | None
"""Some groups of series; None for all series together."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation.json."""

    evaluation: Evaluation

    @classmethod
    def read(cls, path: Path) -> Evaluated:
        """Raises ConfigurationError for a file of another version of `orthogen evaluate`."""
        return cls(read_part(path, Evaluation, missing="run card_figures", faulty="run card_figures"))

    @property
    def groups(self) -> list[str]:
        """In order."""
        return sorted({row.group for row in self.evaluation.cohort.series})

    def values(self, key: str, groups: Groups = None) -> dict[str, float]:
        """By patient, of those that have the figure: the mean over those of the groups that have it."""
        found = {row.key: value_of(row, key, groups) for row in self.evaluation.patients}
        return {patient: value for patient, value in found.items() if value is not None}

    def interval(self, key: str, groups: Groups = None) -> Interval | None:
        """Over patients; None where nobody has the figure."""
        values = list(self.values(key, groups).values())
        return bootstrap_mean(values) if values else None

    def difference(self, key: str, other: str, groups: Groups = None) -> Interval | None:
        """Of two figures, over the patients that have both."""
        first, second = self.values(key, groups), self.values(other, groups)
        both = [first[patient] - second[patient] for patient in first if patient in second]
        return bootstrap_mean(both) if both else None

    def better(self, key: str, other: str, groups: Groups = None) -> int:
        """Patients in whom the first is smaller."""
        first, second = self.values(key, groups), self.values(other, groups)
        return sum(first[patient] < second[patient] for patient in first if patient in second)

    def figure(self, key: str) -> Figure | None:
        """One that is not over patients: phantoms, lesions."""
        return next((figure for figure in self.evaluation.figures if figure.key == key), None)

    def verdicts(self, groups: Groups = None) -> str:
        """The gate's, on the series of the groups."""
        rows = self.evaluation.cohort.series
        levels = [row.verdict for row in rows if groups is None or row.group in groups]
        return ", ".join(
            f"{levels.count(level)} {level}" for level in ("PASS", "WARN", "HOLD") if level in levels
        )


def value_of(row: PatientRow, key: str, groups: Groups) -> float | None:
    """A patient's, or the mean over the groups that have it."""
    keys = [key] if groups is None else [f"{key} | group {group}" for group in groups]
    having = [row.values[each] for each in keys if each in row.values]
    return sum(having) / len(having) if having else None
