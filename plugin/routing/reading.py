"""One series as conditions read it: each attribute's different values, parsed once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from plugin.routing.attributes import RuleAttribute
from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.geometry import orientation, slice_spacing_mm
from plugin.routing.values import Value, parse_value, split_values


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What one instance, or the series as a whole, holds for an attribute."""

    parts: tuple[str, ...]
    """The values as text; empty where the attribute is missing or holds nothing."""
    values: tuple[Value, ...] | None
    """The same values parsed; None where one of them breaks the rules of its kind."""

    @property
    def text(self) -> str | None:
        return "\\".join(self.parts) if self.parts else None


@dataclass(frozen=True)
class Reading:
    """The different occurrences of an attribute in a series, never empty."""

    occurrences: tuple[Occurrence, ...]
    per_instance: bool
    """False where the value is known once for the whole series."""

    @cached_property
    def _sorted(self) -> tuple[list[Any], list[Occurrence], list[Occurrence]]:
        """The single values in rising order, their occurrences, and all other occurrences."""
        single = [seen for seen in self.occurrences if seen.values and len(seen.values) == 1]
        single.sort(key=_only_value)
        others = [seen for seen in self.occurrences if not seen.values or len(seen.values) != 1]
        return [_only_value(seen) for seen in single], single, others

    def outside(self, low: Value, high: Value, accepts: Callable[[Occurrence], bool]) -> list[Occurrence]:
        """The occurrences that are not within the limits, without a look at each: a series may have
        thousands."""
        values, single, others = self._sorted
        first, last = bisect_left(values, low), bisect_right(values, high)
        outside = single[:first] + single[last:]
        return outside + [seen for seen in others if not accepts(seen)]


def _only_value(seen: Occurrence) -> Any:
    return seen.values[0] if seen.values else None


class Finding(NamedTuple):
    """What a comparison finds in one series, wherever in a rule it stands."""

    holds: bool
    seen: str | None
    note: str


class SeriesView:
    """Reads the facts of one series for many rules; remembers what it has read and found."""

    def __init__(self, facts: SeriesFacts) -> None:
        self.facts = facts
        self._readings: dict[str, Reading] = {}
        self.findings: dict[str, Finding] = {}
        """By the key of the comparison, equal for all that ask the same."""
        self.traces: dict[tuple[str, str], ConditionTrace] = {}
        """By the key above the comparison, and by its own."""

    @property
    def unknown_instances(self) -> int:
        """How many instances of the series no attribute is known of."""
        return max(0, self.facts.number_of_instances - len(self.facts.instances))

    def reading(self, attribute: RuleAttribute) -> Reading:
        """Never raises on what a study holds."""
        found = self._readings.get(attribute.name)
        if found is None:
            found = self._readings[attribute.name] = _read(self.facts, attribute)
        return found


def _read(facts: SeriesFacts, attribute: RuleAttribute) -> Reading:
    name = attribute.name
    if attribute.from_node:
        # A dry run on typed values states what the node would otherwise work out.
        value = facts.attributes[name] if name in facts.attributes else _node_value(facts, name)
        return Reading((occurrence_of(value, attribute),), per_instance=False)
    if any(name in instance for instance in facts.instances):
        different = dict.fromkeys(_hashable(instance.get(name, ())) for instance in facts.instances)
        return Reading(tuple(occurrence_of(value, attribute) for value in different), per_instance=True)
    return Reading((occurrence_of(facts.attributes.get(name, ()), attribute),), per_instance=False)


def occurrence_of(value: Attribute, attribute: RuleAttribute) -> Occurrence:
    """The value as found, split and parsed."""
    parts = split_values(value, attribute)
    values = [parse_value(attribute.kind, part) for part in parts]
    known = tuple(value for value in values if value is not None)
    return Occurrence(parts, known if len(known) == len(values) else None)


def _hashable(value: Attribute) -> Attribute:
    return value if isinstance(value, str) else tuple(value)


def _node_value(facts: SeriesFacts, name: str) -> Attribute:
    match name:
        case "CallingAeTitle":
            return facts.calling_ae_title
        case "CalledAeTitle":
            return facts.called_ae_title
        case "RemoteIp":
            return facts.remote_ip
        case "NumberOfInstances":
            return str(facts.number_of_instances)
        case "Orientation":
            return orientation(facts) or ()
        case "SliceSpacingMm":
            spacing_mm = slice_spacing_mm(facts)
            return () if spacing_mm is None else f"{spacing_mm:g}"
        case _:
            return facts.received.strftime("%H:%M:%S")
