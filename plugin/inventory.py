"""What `orthogen pipelines` shows of each pipeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipelines.catalog import CatalogEntry


def inventory(entry: CatalogEntry) -> dict[str, Any]:
    """The facts a site holds of each model it runs."""
    manifest = entry.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "family": manifest.family,
        "generative": manifest.generative,
        "publisher": manifest.publisher,
        "model_sha256": entry.model_sha256,
        "config_sha256": entry.config_sha256,
        "envelope": [
            accepted.model_dump(mode="json", by_alias=True, exclude_none=True) for accepted in manifest.inputs
        ],
        "evaluation": headline(entry),
    }


def headline(entry: CatalogEntry) -> Any:
    """The evaluation's own headline, or None where nothing was measured."""
    if not entry.manifest.evaluation:
        return None
    path = entry.folder / entry.manifest.evaluation
    if not path.exists():
        return None
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    return evaluation.get("headline", evaluation.get("Headline"))


def table(found: Sequence[dict[str, Any]]) -> str:
    """One block of lines per pipeline."""
    return "\n\n".join(_block(entry) for entry in found)


def _block(entry: dict[str, Any]) -> str:
    kind = "generative" if entry["generative"] else "not generative"
    envelope = "; ".join(
        ", ".join(
            f"{key} {value}" for key, value in accepted.items() if key != "Name" and value not in ({}, ())
        )
        for accepted in entry["envelope"]
    )
    lines = [
        f"{entry['name']} {entry['version']}  {entry['task']}, {entry['family']}, {kind}",
        f"  model     sha256 {entry['model_sha256']}",
        f"  accepts   {envelope}",
        f"  measured  {_words(entry['evaluation'])}",
    ]
    return "\n".join(lines)


def _words(evaluation: Any) -> str:
    if evaluation is None:
        return "nothing"
    if not isinstance(evaluation, dict):
        return str(evaluation)
    return "; ".join(f"{name}: {_means(figures)}" for name, figures in evaluation.items())


def _means(figures: Any) -> str:
    """Of nested figures the means at the top; the rest is in the evaluation itself."""
    if not isinstance(figures, dict):
        return str(figures)
    means = {
        name: each["Mean"] for name, each in figures.items() if isinstance(each, dict) and "Mean" in each
    }
    return ", ".join(f"{name} {mean:g}" for name, mean in means.items())
