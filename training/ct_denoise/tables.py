"""From rows of cases to tables: means over patients with 95 % intervals."""

from __future__ import annotations

import numpy as np

from .measures import bootstrap

Row = dict[str, float | str]


def summary(rows: list[Row], key: str) -> dict[str, float]:
    """Mean over patients with its interval of one figure."""
    having = [r for r in rows if key in r]
    return bootstrap([float(r[key]) for r in having], [str(r["Patient"]) for r in having])


def compared(rows: list[Row]) -> dict[str, object]:
    """Model against the baselines on exactly the cases the baselines ran on."""
    same = [r for r in rows if "Nlm" in r]
    if not same:
        return {}
    result: dict[str, object] = {
        k: summary(same, k)
        for k in ("Model", "Nlm", "Tv", "ModelPsnr", "NlmPsnr", "TvPsnr", "ModelSsim", "NlmSsim", "TvSsim")
    }
    result["Cases"] = len(same)
    for name in ("Nlm", "Tv"):
        result[f"BetterThan{name}"] = sum(float(r["Model"]) < float(r[name]) for r in same)
    return result


def table(rows: list[Row], by: str, values: list[object]) -> list[dict[str, object]]:
    """One line per source class and value of `by`: model, bound, and baselines on the same cases."""
    lines: list[dict[str, object]] = []
    for source in ("smooth", "sharp"):
        for value in values:
            mine = [r for r in rows if r["Source"] == source and r[by] == value]
            if not mine:
                continue
            line: dict[str, object] = {"Source": source, by: value, "Cases": len(mine)}
            for key in ("Input", "Model", "Bound", "ModelOverBound", "ModelPsnr", "ModelSsim"):
                line[key] = summary(mine, key)
            line["SameCases"] = compared(mine)
            lines.append(line)
    return lines


def drift(rows: list[Row], prefix: str) -> dict[str, dict[str, float]]:
    """Mean HU shift per tissue class, with the worst patient and case."""
    result = {}
    for key in sorted({k for r in rows for k in r if k.startswith(prefix)}):
        having = [r for r in rows if key in r]
        patients = {str(r["Patient"]) for r in having}
        means = [np.mean([float(r[key]) for r in having if r["Patient"] == p]) for p in patients]
        worst = max((float(r[key]) for r in having), key=abs)
        result[key.removeprefix(prefix)] = summary(rows, key) | {
            "WorstPatient": round(float(max(means, key=abs)), 3),
            "WorstCase": round(worst, 3),
            "Cases": len(having),
        }
    return result


def headline(rows: list[Row]) -> dict[str, object]:
    """The figures quoted first."""
    figures: dict[str, object] = {k: summary(rows, k) for k in ("Input", "Model", "Bound", "ModelOverBound")}
    matched = [r for r in rows if r["Matched"]]
    figures["ModelOverBoundMatchedKernel"] = summary(matched, "ModelOverBound")
    figures["ModelOverFineBoundMatchedKernel"] = summary(matched, "ModelOverFineBound")
    figures["FineOverModeNoise"] = summary(matched, "FineOverMode")
    return figures | {"SameCases": compared(rows)}
