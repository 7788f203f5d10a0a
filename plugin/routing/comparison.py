"""One attribute, one operator, one operand: the leaf of every condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from plugin.routing.attributes import RuleAttribute
from plugin.routing.condition_trace import HIDDEN, ConditionTrace, Expected
from plugin.routing.operators import Accepts, Operator, Within
from plugin.routing.reading import Finding, Occurrence, Reading, SeriesView

Quantifier = Literal["any", "all"]

SHOWN_OCCURRENCES = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Holds where every instance (or, with `instances` "any", one of them) is accepted."""

    attribute: RuleAttribute
    operator: Operator
    expected: Expected
    instances: Quantifier | None
    path: str = field(compare=False)
    accepts: Accepts = field(compare=False, repr=False)
    key: str = field(init=False, compare=False, repr=False)
    """Equal for equal comparisons: many rules ask the same of a series, and it is found out once."""

    def __post_init__(self) -> None:
        key = f"{self.attribute.name} {self.operator} {self.instances} {self.expected!r}"
        object.__setattr__(self, "key", key)

    def holds(self, view: SeriesView) -> bool:
        """Never raises on what a study holds."""
        return self._finding(view.reading(self.attribute)).holds

    def trace(self, reading: Reading, path: str) -> ConditionTrace:
        """What this comparison, which stands under `path` in its rule, wanted and saw. Never raises."""
        holds, seen, note = self._finding(reading)
        hidden = self.attribute.identifying and not isinstance(self.expected, bool)
        expected = HIDDEN if hidden else self.expected
        return ConditionTrace(self.attribute.name, self.operator, expected, seen, holds, path, note)

    def _finding(self, reading: Reading) -> Finding:
        known = reading.findings.get(self.key)
        if known is None:
            known = reading.findings[self.key] = self._find(reading)
        return known

    def _find(self, reading: Reading) -> Finding:
        failing = self._failing(reading)
        if self.instances == "any":
            holds = len(failing) < len(reading.occurrences)
        else:
            holds = not failing and not (self.instances == "all" and reading.incomplete)
        shown = failing if failing and self.instances != "any" else reading.occurrences
        note = "" if holds else self._note(failing, reading)
        return Finding(holds, self._seen(shown), note)

    def _failing(self, reading: Reading) -> Sequence[Occurrence]:
        accepts = self.accepts
        if isinstance(accepts, Within) and len(reading.occurrences) > 1:
            return reading.outside(accepts.low, accepts.high, accepts)
        return [seen for seen in reading.occurrences if not accepts(seen)]

    def _seen(self, shown: Sequence[Occurrence]) -> str | None:
        if not _say_something(shown):
            return None
        if self.attribute.identifying:
            return HIDDEN
        if len(shown) == 1:
            return shown[0].text
        texts = [seen.text or "nothing" for seen in islice(shown, SHOWN_OCCURRENCES)]
        more = len(shown) - SHOWN_OCCURRENCES
        return " | ".join(texts) + (f" | {more} more" if more > 0 else "")

    def _note(self, failing: Sequence[Occurrence], reading: Reading) -> str:
        if not failing:
            known, there = reading.incomplete or (0, 0)
            return f"only {known} of {there} instances are known"
        if not _say_something(failing):
            return "" if self.operator == "Absent" else _missing_from(reading)
        if reading.breaks_rules and any(seen.values is None for seen in failing):
            return f"not a {self.attribute.kind} as DICOM writes it"
        if self._differs_in_case_only(failing[0]):
            return "differs in upper and lower case only"
        if reading.per_instance and len(failing) < len(reading.occurrences) and self.instances is None:
            return "not so in every instance"
        return ""

    def _differs_in_case_only(self, seen: Occurrence) -> bool:
        if self.attribute.kind != "text" or self.attribute.identifying or self.operator == "Matches":
            return False
        folded = {part.casefold() for part in seen.parts}
        match self.operator, self.expected:
            case "Equals", str(wanted):
                return wanted.casefold() in folded
            case "OneOf", tuple(several):
                return any(str(wanted).casefold() in folded for wanted in several)
            case "Contains", str(wanted):
                return any(wanted.casefold() in part for part in folded)
            case _:
                return False


def _say_something(shown: Sequence[Occurrence]) -> bool:
    return bool(shown[0].parts) or any(seen.parts for seen in shown)


def _missing_from(reading: Reading) -> str:
    if len(reading.occurrences) > 1:
        return "some instances lack the attribute"
    return "the attribute is missing or empty"
