"""One series as conditions read it: each attribute's different values, parsed once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from unicodedata import normalize

from plugin.routing.attributes import RuleAttribute
from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.geometry import orientation, slice_spacing_mm
from plugin.routing.values import Value, parse_value, split_values


@dataclass(frozen=True)
class Occurrence:
    """What one instance, or the series as a whole, holds for an attribute."""

    parts: tuple[str, ...]
    """The values as text; empty where the attribute is missing or holds nothing."""
    values: tuple[Value, ...] | None
    """The same values parsed; None where one of them breaks the rules of its kind."""

    @cached_property
    def text(self) -> str | None:
        return "\\".join(self.parts) if self.parts else None

    @cached_property
    def encoded(self) -> tuple[bytes, ...]:
        """The parts in UTF-8, composed (NFC), as patterns search them; what was no text in its character set
        must not stop the search in the rest."""
        return tuple(normalize("NFC", part).encode("utf-8", "replace") for part in self.parts)


class Finding(NamedTuple):
    """What a comparison finds in a reading, wherever in a rule it stands."""

    holds: bool
    seen: str | None
    note: str


@dataclass(frozen=True, eq=False)
class Reading:
    """The different occurrences of an attribute in a series, never empty.

    Series of one study share the readings that are alike, and so what comparisons found in them."""

    occurrences: tuple[Occurrence, ...]
    per_instance: bool
    """False where the value is known once for the whole series."""
    incomplete: tuple[int, int] | None = None
    """Of how many instances the value is known, and how many there are, where that is not the same."""
    findings: dict[str, Finding] = field(default_factory=dict, repr=False)
    """By the key of the comparison, equal for all that ask the same."""
    traces: dict[str, ConditionTrace] = field(default_factory=dict, repr=False)
    """By the key of the comparison at its place of a rule."""

    @cached_property
    def breaks_rules(self) -> bool:
        """Whether an occurrence holds what its kind does not allow."""
        return any(seen.values is None for seen in self.occurrences)

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


Alike = dict[tuple[str, tuple[str, ...], bool, tuple[int, int] | None], Reading]
"""Readings of one value, by attribute and everything a finding depends on."""


def _only_value(seen: Occurrence) -> Any:
    return seen.values[0] if seen.values else None


class SeriesView:
    """Reads the facts of one series for many rules; remembers what it has read."""

    def __init__(self, facts: SeriesFacts, alike: Alike | None = None) -> None:
        self.facts = facts
        self._alike = {} if alike is None else alike
        self.readings: dict[str, Reading] = {}
        """What has been read so far, by attribute."""

    def reading(self, attribute: RuleAttribute) -> Reading:
        """Never raises on what a study holds."""
        found = self.readings.get(attribute.name)
        if found is None:
            found = self.readings[attribute.name] = self._shared(attribute)
        return found

    def _shared(self, attribute: RuleAttribute) -> Reading:
        own = _read(self.facts, attribute)
        if len(own.occurrences) > 1:
            return own
        key = (attribute.name, own.occurrences[0].parts, own.per_instance, own.incomplete)
        return self._alike.setdefault(key, own)


def views_of(study: Iterable[SeriesFacts]) -> list[SeriesView]:
    """The series of one study, each read once; what reads alike in several of them is compared once."""
    alike: Alike = {}
    return [SeriesView(facts, alike) for facts in study]


def _read(facts: SeriesFacts, attribute: RuleAttribute) -> Reading:
    name = attribute.name
    if attribute.from_node:
        # A dry run on typed values states what the node would otherwise work out.
        value = facts.attributes[name] if name in facts.attributes else _node_value(facts, name)
        return Reading((occurrence_of(value, attribute),), per_instance=False)
    if any(name in instance for instance in facts.instances):
        different = dict.fromkeys(_hashable(instance.get(name, ())) for instance in facts.instances)
        known = tuple(occurrence_of(value, attribute) for value in different)
        return Reading(known, per_instance=True, incomplete=_incomplete(facts))
    return Reading((occurrence_of(facts.attributes.get(name, ()), attribute),), per_instance=False)


def _incomplete(facts: SeriesFacts) -> tuple[int, int] | None:
    known, there = len(facts.instances), facts.number_of_instances
    return (known, there) if known < there else None


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
