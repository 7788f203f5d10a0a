"""Rules that can never run, because a rule before them takes every series and says Stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plugin.routing.conditions import AllOf, Condition
from plugin.routing.implication import implies
from plugin.routing.problems import Problem
from plugin.routing.rule import Rule


def check_reachable(rules: Mapping[int, Rule]) -> Iterator[Problem]:
    """A warning for each rule of which it is certain; `rules` by their place in the list."""
    ordered = [*(pair for pair in rules.items() if not pair[1].fallback)]
    ordered += [pair for pair in rules.items() if pair[1].fallback]
    for position, (place, rule) in enumerate(ordered):
        for earlier_place, earlier in ordered[:position]:
            if rule.enabled and _always_stops(earlier) and implies(_selects(rule), _selects(earlier)):
                what = (
                    f"{rule.name!r} can never run: rule {earlier.name!r} takes all its series and says Stop"
                )
                remedy = f"move it before Rules[{earlier_place}], narrow that rule, or take out its Stop"
                yield Problem(f"Rules[{place}]", what, remedy, severity="warning")
                break


def _always_stops(rule: Rule) -> bool:
    """Whether the rule stops for certain wherever its conditions hold."""
    chooses = rule.series is not None and bool(rule.series.prefer or rule.series.inputs)
    waits = rule.wait_for is not None and rule.wait_for.then == "skip"
    return rule.enabled and rule.stop and rule.mode == "live" and not chooses and not waits


def _selects(rule: Rule) -> Condition:
    return AllOf((rule.when, rule.series.condition)) if rule.series else rule.when
