"""Conditions: a tree of comparisons, parsed from JSON and judged on a series. Nothing is evaluated as code.

{"Modality": {"Equals": "CT"}, "Any": [{"Orientation": {"Equals": "axial"}}, {"Not": {...}}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plugin.routing.comparison import Comparison
from plugin.routing.reading import SeriesView


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds where every part holds; so does an empty one."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds where at least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NotOf:
    """Holds where its part does not."""

    part: Condition


Condition = Comparison | AllOf | AnyOf | NotOf

ALWAYS = AllOf(())


def holds(condition: Condition, view: SeriesView) -> bool:
    """The answer without an explanation. Never raises."""
    if isinstance(condition, Comparison):
        return condition.holds(view)
    if isinstance(condition, NotOf):
        return not holds(condition.part, view)
    if isinstance(condition, AllOf):
        return all(holds(part, view) for part in condition.parts)
    return any(holds(part, view) for part in condition.parts)


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every leaf, in the order it was written."""
    match condition:
        case Comparison():
            yield condition
        case NotOf(part):
            yield from comparisons(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons(part)


def condition_as_json(condition: Condition) -> dict[str, Any]:
    """The condition as a rule file has it; parsing it again gives an equal condition."""
    match condition:
        case Comparison():
            return {condition.attribute.name: _operators_as_json(condition)}
        case NotOf(part):
            return {"Not": condition_as_json(part)}
        case AnyOf(parts):
            return {"Any": [condition_as_json(part) for part in parts]}
        case AllOf(parts):
            merged = _as_one_object(parts)
            return {"All": [condition_as_json(part) for part in parts]} if merged is None else merged


def _operators_as_json(leaf: Comparison) -> dict[str, Any]:
    expected = list(leaf.expected) if isinstance(leaf.expected, tuple) else leaf.expected
    return {leaf.operator: expected} | ({"Instances": leaf.instances} if leaf.instances else {})


def _as_one_object(parts: tuple[Condition, ...]) -> dict[str, Any] | None:
    """Several keys of one object are and-ed; None where two parts would need the same key."""
    merged: dict[str, Any] = {}
    last: Comparison | None = None
    for part in parts:
        [(key, value)] = _under_its_key(part).items()
        if key not in merged:
            merged[key] = value
        elif _continues(last, part) and not value.keys() & merged[key].keys() - {"Instances"}:
            merged[key] = merged[key] | value
        else:
            return None
        last = part if isinstance(part, Comparison) else None
    return merged


def _under_its_key(part: Condition) -> dict[str, Any]:
    if isinstance(part, AllOf):
        return {"All": [condition_as_json(one) for one in part.parts]}
    return condition_as_json(part)


def _continues(last: Comparison | None, part: Condition) -> bool:
    return (
        last is not None
        and isinstance(part, Comparison)
        and (last.attribute, last.instances) == (part.attribute, part.instances)
    )
