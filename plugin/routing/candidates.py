"""Among the series of a study: which satisfy a rule, which is preferred, which takes which input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from plugin.routing.attributes import RuleAttribute
from plugin.routing.conditions import Condition, holds
from plugin.routing.reading import SeriesView
from plugin.routing.rule import Preference, Rule, SeriesChoice

SLICE_THICKNESS = RuleAttribute("SliceThickness", "number", "DS")
SLICE_SPACING = RuleAttribute("SliceSpacingMm", "number", "")
SERIES_NUMBER = RuleAttribute("SeriesNumber", "number", "IS")
LAST = float("inf")


def satisfying(views: Sequence[SeriesView], *conditions: Condition) -> list[SeriesView]:
    """The series on which every condition holds, in the order given."""
    return [view for view in views if all(holds(condition, view) for condition in conditions)]


def in_order_of_preference(views: Sequence[SeriesView], prefer: Sequence[Preference]) -> list[SeriesView]:
    """Best first. Where the preferences see no difference: lowest Series Number, earliest, smallest UID."""

    def rank(view: SeriesView) -> tuple[float | str, ...]:
        wanted = [_rank(view, preference) for preference in (*prefer, "first")]
        return (*wanted, view.facts.received.timestamp(), view.facts.series_instance_uid)

    return sorted(views, key=rank)


def why_preferred(best: SeriesView, other: SeriesView, prefer: Sequence[Preference]) -> str:
    """`thinnest: 1 against 5 mm`: the first preference that tells the two apart."""
    for preference in prefer:
        better, worse = _rank(best, preference), _rank(other, preference)
        if better != worse:
            return f"{preference}: {abs(better):g} against {abs(worse):g}{UNITS[preference]}"
    return "first: lowest Series Number, then earliest"


def fill_inputs(rule: Rule, choice: SeriesChoice, views: Sequence[SeriesView]) -> Mapping[str, SeriesView]:
    """Each input's preferred series, in the order written; no series takes two, an input without one is
    left out."""
    eligible = satisfying(views, rule.when, choice.condition)
    filled: dict[str, SeriesView] = {}
    for name, wanted in choice.inputs.items():
        free = [view for view in eligible if view not in filled.values()]
        best = in_order_of_preference(satisfying(free, wanted.condition), wanted.prefer)
        if best:
            filled[name] = best[0]
    return filled


UNITS: Mapping[Preference, str] = MappingProxyType({"thinnest": " mm", "most-slices": " slices", "first": ""})


def _rank(view: SeriesView, preference: Preference) -> float:
    match preference:
        case "thinnest":
            return _smallest(view, SLICE_THICKNESS) or _smallest(view, SLICE_SPACING) or LAST
        case "most-slices":
            return -view.facts.number_of_instances
        case "first":
            number = _smallest(view, SERIES_NUMBER)
            return LAST if number is None else number


def _smallest(view: SeriesView, attribute: RuleAttribute) -> float | None:
    values = [value for seen in view.reading(attribute).occurrences for value in seen.values or ()]
    numbers = [value for value in values if isinstance(value, float)]
    return min(numbers, default=None)
