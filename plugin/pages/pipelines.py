"""Pipelines: the inventory a site holds of its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.inventory import inventory
from plugin.pages.page import page
from plugin.parts import Parts
from plugin.rest_errors import NotFound

INTERVAL = {"Mean", "Low95", "High95"}
FIGURES_SHOWN = 24


def pipelines_page(parts: Parts, _request: Request) -> Response:
    found = [
        {
            **inventory(entry),
            "description": entry.manifest.description,
            "figures": list(figures(inventory(entry)["evaluation"]))[:FIGURES_SHOWN],
        }
        for entry in parts.catalog
    ]
    return page("pipelines.html", pipelines=found)


def figures(evaluation: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The headline's figures by their path of keys, intervals in one line."""
    if isinstance(evaluation, Mapping) and evaluation.keys() >= INTERVAL:
        mean, low, high = (f"{evaluation[key]:.4g}" for key in ("Mean", "Low95", "High95"))
        yield name, f"{mean} [{low}, {high}]"
    elif isinstance(evaluation, Mapping):
        for key, value in evaluation.items():
            yield from figures(value, f"{name}, {key}" if name else str(key))
    elif evaluation is not None:
        yield name, f"{evaluation:.4g}" if isinstance(evaluation, float) else str(evaluation)


def model_card_page(parts: Parts, request: Request) -> Response:
    name = request.query_params.get("name", "")
    if name not in parts.catalog:
        raise NotFound(f"there is no pipeline {name!r}", remedy="one of " + ", ".join(parts.catalog.names()))
    entry = parts.catalog[name]
    path = entry.folder / entry.manifest.model_card
    if not path.is_file():
        raise NotFound(f"pipeline {name} has no model card", remedy=f"write {path.name} beside pipeline.json")
    return page("model_card.html", name=name, text=path.read_text(encoding="utf-8"))
