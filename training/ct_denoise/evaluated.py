"""What `orthogen evaluate` found on the folders of `validation_folders`, as tables of the model card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipelines.evaluation.document import Evaluation, PatientRow
from pipelines.manifest_part import read_part
from pipelines.measures.intervals import Interval, bootstrap_mean

from .markdown import markdown

RMSE, NLM, INPUT, RESULT = "rmse HU", "non-local means", "input", "result"
TISSUES = ("air", "lung", "fat", "soft tissue", "bone")


@dataclass(frozen=True)
class Evaluated:
    """An evaluation with the least attainable errors of its patients by group."""

    evaluation: Evaluation
    bounds: dict[str, dict[str, float]]

    @classmethod
    def read(cls, evaluation: Path, bounds: Path) -> Evaluated:
        """Both files; raises ConfigurationError for an evaluation of another version."""
        found = read_part(evaluation, Evaluation, missing="run card_figures", faulty="run card_figures")
        return cls(found, json.loads(bounds.read_text()))

    @property
    def groups(self) -> list[str]:
        """In order."""
        return sorted({row.group for row in self.evaluation.cohort.series})

    def patients(self, groups: list[str]) -> list[PatientRow]:
        """Those who are in any of the groups."""
        return [row for row in self.evaluation.patients if self.bounds[row.key].keys() & set(groups)]

    def value(self, row: PatientRow, figure: str, groups: list[str]) -> float:
        """A patient's mean over those of the groups that have the figure."""
        keys = [f"{figure} | group {group}" for group in groups]
        having = [row.values[key] for key in keys if key in row.values]
        return sum(having) / len(having)

    def bound(self, row: PatientRow, groups: list[str]) -> float:
        """The same of the bound."""
        having = [b for group, b in self.bounds[row.key].items() if group in groups]
        return sum(having) / len(having)

    def over_patients(self, figure: str, groups: list[str]) -> Interval:
        """Mean over patients."""
        return bootstrap_mean([self.value(row, figure, groups) for row in self.patients(groups)])

    def ratio(self, groups: list[str]) -> Interval:
        """RMSE of the result over the bound."""
        return bootstrap_mean(
            [
                self.value(row, f"{RMSE} | {RESULT} | body", groups) / self.bound(row, groups)
                for row in self.patients(groups)
            ]
        )

    def better(self, groups: list[str], other: str) -> int:
        """Patients whose result has the smaller RMSE than another image."""
        ours, theirs = f"{RMSE} | {RESULT} | body", f"{RMSE} | {other} | body"
        rows = self.patients(groups)
        return sum(self.value(row, ours, groups) < self.value(row, theirs, groups) for row in rows)

    def verdicts(self, group: str) -> str:
        """The gate's verdicts on the series of a group."""
        levels = [row.verdict for row in self.evaluation.cohort.series if row.group == group]
        return ", ".join(
            f"{levels.count(level)} {level}" for level in ("PASS", "WARN", "HOLD") if level in levels
        )


def shown(interval: Interval, digits: int = 2) -> str:
    """Mean with its 95 % interval, if there is one."""
    mean = f"{interval.mean:.{digits}f}"
    if interval.low95 is None or interval.high95 is None:
        return mean
    return f"{mean} [{interval.low95:.{digits}f}, {interval.high95:.{digits}f}]"


def error_table(found: Evaluated, lines: dict[str, list[str]], verdicts: bool = False) -> str:
    """One line per label and its groups: RMSE of all images against the bound; the gate's verdicts."""
    header = ["references and dose", "patients", "input", "**model**", "NLM (oracle)", "bound"]
    header += ["model / bound", "patients better than input, NLM"]
    header += ["gate"] if verdicts else []
    body = []
    for label, groups in lines.items():
        rows = found.patients(groups)
        images = [found.over_patients(f"{RMSE} | {image} | body", groups) for image in (INPUT, RESULT, NLM)]
        bound = bootstrap_mean([found.bound(row, groups) for row in rows])
        attained = shown(found.ratio(groups)) if bound.mean > 0 else "-"
        count = f"{found.better(groups, INPUT)}, {found.better(groups, NLM)} of {len(rows)}"
        cells = [f"{images[0].mean:.2f}", shown(images[1]), shown(images[2]), f"{bound.mean:.2f}"]
        gate = [found.verdicts(group) for group in groups] if verdicts else []
        body.append([label, str(len(rows)), *cells, attained, count, *gate])
    return markdown(header, body)


def similarity_table(found: Evaluated, lines: dict[str, list[str]]) -> str:
    """PSNR and SSIM in the soft-tissue window."""
    measures = (("psnr dB", 1), ("ssim", 3))
    images = (INPUT, RESULT, NLM)
    header = ["references and dose", *(f"{m.split()[0].upper()} {i}" for m, _ in measures for i in images)]
    body = [
        [
            label,
            *(
                shown(found.over_patients(f"{m} | {i} | body | soft tissue", groups), digits)
                for m, digits in measures
                for i in images
            ),
        ]
        for label, groups in lines.items()
    ]
    return markdown(header, body)


def shift_table(found: Evaluated) -> str:
    """Mean of input and result minus reference per tissue, over all groups, and what the model adds to it."""
    header = ["tissue", "patients", "input minus reference", "result minus reference", "by the model"]
    header += ["worst patient, by the model"]
    body = []
    for tissue in TISSUES:
        keys = [f"mean difference HU | {image} | {tissue}" for image in (INPUT, RESULT)]
        rows = [row for row in found.evaluation.patients if keys[0] in row.values]
        if not rows:
            continue
        before, after = ([row.values[key] for row in rows] for key in keys)
        change = [b - a for a, b in zip(before, after, strict=True)]
        intervals = (bootstrap_mean(values) for values in (before, after, change))
        worst = max(change, key=abs)
        body.append([tissue, str(len(rows)), *(shown(i) for i in intervals), f"{worst:+.2f}"])
    return markdown(header, body)
