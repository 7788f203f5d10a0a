"""A condition, asked of many series: every comparison is made, for the explanation, and then joined by logic.

How the answers join depends on the answers alone, so it is worked out once for each pattern of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal, NamedTuple

from plugin.routing.comparison import Comparison
from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.conditions import AllOf, Condition, NotOf, comparisons
from plugin.routing.reading import SeriesView

HOLDS = attrgetter("holds")

MOST_PATTERNS = 256
"""Of answers that are remembered for one condition; a rule meets a handful."""


class Said(NamedTuple):
    """What one comparison answered, by its place among those of its condition."""

    place: int
    holds: bool

    def because(self, traces: Sequence[ConditionTrace]) -> str:
        return traces[self.place].because


class Joined(NamedTuple):
    """How several answers, or a negated one, came out."""

    holds: bool
    by: Literal["all", "any", "not"]
    parts: tuple[Answer, ...]

    def because(self, traces: Sequence[ConditionTrace]) -> str:
        """The comparison, or comparisons, that decided."""
        if self.by == "not":
            return f"Not ({self.parts[0].because(traces)})"
        decisive = [part for part in self.parts if part.holds is self.holds]
        if self.holds is (self.by == "any"):
            return decisive[0].because(traces) if decisive else ""
        told = [part.because(traces) for part in decisive]
        return " and ".join(told) if self.holds else f"one of: {'; '.join(told)}"


Answer = Said | Joined


class Judgement(NamedTuple):
    """What was asked of one series, and answered."""

    answer: Joined
    """Holds where every condition does; its parts are theirs."""
    traces: tuple[ConditionTrace, ...]
    """Of every comparison, in the order they are written."""

    @property
    def holds(self) -> bool:
        return self.answer.holds

    @property
    def because(self) -> str:
        return self.answer.because(self.traces)


class _Leaf(NamedTuple):
    """A comparison at its place in a rule."""

    attribute: str
    path: str
    comparison: Comparison
    key: str
    """Equal for equal comparisons at the same place of their rules."""


class Question:
    """Conditions at their places in a rule, asked together."""

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        """`conditions`: by the key they stand under, for the paths in explanations."""
        self._conditions = tuple(conditions.values())
        self._leaves = [
            _leaf(comparison, within)
            for within, condition in conditions.items()
            for comparison in comparisons(condition)
        ]
        self._answers: dict[tuple[bool, ...], Joined] = {}

    def ask(self, view: SeriesView) -> Judgement:
        """Makes every comparison and skips none. Never raises on what a study holds."""
        # The hot path: 200 rules of eight comparisons ask 1,600 times of each series, mostly the same.
        read = view.readings
        traces = tuple(
            [
                (read.get(attribute) or view.reading(comparison.attribute)).traces.get(key)
                or _trace(view, comparison, path, key)
                for attribute, path, comparison, key in self._leaves
            ]
        )
        pattern = tuple(map(HOLDS, traces))
        return Judgement(self._answers.get(pattern) or self._joined(pattern), traces)

    def _joined(self, pattern: tuple[bool, ...]) -> Joined:
        if len(self._answers) >= MOST_PATTERNS:
            self._answers.clear()
        answers = iter(enumerate(pattern))
        parts = tuple(_join(part, answers) for part in self._conditions)
        answer = self._answers[pattern] = Joined(all(part.holds for part in parts), "all", parts)
        return answer


def _leaf(comparison: Comparison, within: str) -> _Leaf:
    path = f"{within}.{comparison.path}" if within else comparison.path
    return _Leaf(comparison.attribute.name, path, comparison, f"{path} {comparison.key}")


def _trace(view: SeriesView, comparison: Comparison, path: str, key: str) -> ConditionTrace:
    reading = view.reading(comparison.attribute)
    trace = reading.traces[key] = comparison.trace(reading, path)
    return trace


def _join(condition: Condition, answers: Iterator[tuple[int, bool]]) -> Answer:
    if isinstance(condition, Comparison):
        return Said(*next(answers))
    if isinstance(condition, NotOf):
        inner = _join(condition.part, answers)
        return Joined(not inner.holds, "not", (inner,))
    parts = tuple(_join(part, answers) for part in condition.parts)
    if isinstance(condition, AllOf):
        return Joined(all(part.holds for part in parts), "all", parts)
    return Joined(any(part.holds for part in parts), "any", parts)
