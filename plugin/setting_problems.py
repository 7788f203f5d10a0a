"""pydantic's findings on the settings, in our words: the path of the key, what is wrong, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from plugin.delivery.destination import DESTINATION_KINDS
from plugin.routing.problems import Problem, did_you_mean, either

SECRETS = ("Password", "Token")
"""Keys whose values are shown to nobody."""
SAID_BY_US: Mapping[str, str] = {
    "database": "postgresql://USER:PASSWORD@HOST/NAME, or the password in ~/.pgpass",
    "kind": f"one of {', '.join(DESTINATION_KINDS)}",
    "secret": 'a text, {"File": NAME} or {"Variable": "ORTHOGEN_..."}',
    "credentials": "Token, or User with Password, or neither; Tls with https only",
    "time": '"HH:MM"',
    "days": "leave Days out for every day",
}
"""Kinds of mistakes with words of their own, and what is allowed instead."""


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str) -> list[Problem]:
    """One per key."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        path = dotted(prefix, keys_of(detail["loc"]))
        found.setdefault(path, Problem(path, _what(detail), _allowed(detail, model)))
    return list(found.values())


def keys_of(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without what pydantic puts between them: the kind of destination, the form of a secret."""
    kept = [step for place, step in enumerate(location) if not _is_between(location, place)]
    return tuple(kept)


def _is_between(location: tuple[int | str, ...], place: int) -> bool:
    if place == 2 and location[0] == "Destinations":
        return True
    return place > 0 and location[place - 1] in SECRETS


def dotted(prefix: str, location: tuple[int | str, ...]) -> str:
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


def _what(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key {detail['loc'][-1]!r}"
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] in SAID_BY_US:
        return detail["msg"]
    if any(
        step in (*SECRETS, "Url", "Database") for step in detail["loc"]
    ):  # people write passwords into addresses
        return "what is given is not accepted"
    return f"{_shown(detail['input'])} is not accepted"


def _allowed(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        return _keys_like(str(detail["loc"][-1]), model, detail["loc"][:-1])
    if detail["type"] in SAID_BY_US:
        return str(detail.get("ctx", {}).get("allowed", SAID_BY_US[detail["type"]]))
    message = detail["msg"]
    return message[0].lower() + message[1:]


def _keys_like(key: str, model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    owner = _model_at(model, location)
    if owner is None:
        return "remove it"
    keys = [field.alias or name for name, field in owner.model_fields.items()]
    return did_you_mean(key, keys) or "allowed are " + either(sorted(keys))


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose key is at fault."""
    if len(location) > 2 and location[0] == "Destinations":
        return _model_at(DESTINATION_KINDS[str(location[2])], location[3:])
    for step in (step for step in location if isinstance(step, str)):
        field = next((field for field in model.model_fields.values() if field.alias == step), None)
        if field is None:
            continue
        inner = _model_inside(field.annotation)
        if inner is None:
            return None
        model = inner
    return model


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        inner = _model_inside(argument)
        if inner is not None:
            return inner
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
