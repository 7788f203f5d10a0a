"""Is a series complete? Quiet time, expected count, required series: settings as data, the answer as words.

A series that seems complete too early, or for which a study waits too long, is what users of routers complain
of most; so each answer says why, and when to look again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin.routing.attributes import attribute_named
from plugin.routing.candidates import satisfying
from plugin.routing.conditions import AllOf, Condition, holds
from plugin.routing.facts import SeriesFacts
from plugin.routing.reading import SeriesView, views_of
from plugin.routing.rule import Completeness, ConditionField, Rule, RuleModel


class SourceCompleteness(Completeness):
    """Completeness of the series that satisfy `When`, as those of one calling AE title."""

    when: ConditionField


class CompletenessRules(RuleModel):
    """What holds where no rule says otherwise: the first source that fits, else the defaults."""

    default: Completeness = Completeness()
    sources: tuple[SourceCompleteness, ...] = ()


@dataclass(frozen=True)
class CompletenessPolicy:
    """What has to be true of one series before it is routed."""

    quiet_s: float
    """No new instance for this long."""
    at_most_s: float
    """How long, after the last instance, an expected count or a required series is waited for."""
    expected_counts: tuple[str, ...]
    """Keywords of attributes that say how many instances there are."""
    required_series: Mapping[str, Condition]


@dataclass(frozen=True)
class CompletenessState:
    """The answer for one moment."""

    complete: bool
    reason: str
    look_again: datetime | None
    """When the answer may change although nothing arrives; None for a complete series."""


def policy_for(facts: SeriesFacts, rules: Sequence[Rule], otherwise: CompletenessRules) -> CompletenessPolicy:
    """The policy for a series as far as it is known. Of several rules the series satisfies, the longest times
    hold and everything that one of them requires."""
    view = SeriesView(facts)
    asked = [rule.completeness for rule in rules if rule.completeness and _concerns(rule, view)]
    sources = (source for source in otherwise.sources if holds(source.when, view))
    asked = asked or [next(sources, otherwise.default)]
    required = {name: condition for one in asked for name, condition in one.required_series.items()}
    return CompletenessPolicy(
        quiet_s=max(one.quiet_seconds for one in asked),
        at_most_s=max(one.at_most_seconds for one in asked),
        expected_counts=tuple(dict.fromkeys(one.expected_count for one in asked if one.expected_count)),
        required_series=required,
    )


def completeness(
    policy: CompletenessPolicy,
    facts: SeriesFacts,
    *,
    last_instance: datetime,
    now: datetime,
    study: Sequence[SeriesFacts] = (),
) -> CompletenessState:
    """Whether the series, whose last instance came at `last_instance`, is complete at `now`.

    A late slice is a new `last_instance`, and everything is asked again.
    """
    counted = _counted(policy, facts)
    missing = tuple(_missing(policy, facts, study))
    limit = last_instance + timedelta(seconds=max(policy.quiet_s, policy.at_most_s))
    if now >= limit and (missing or (counted and counted.short)):
        return _given_up(policy, counted, missing)
    if missing:
        return CompletenessState(False, f"waits for {', '.join(missing)}", limit)
    if counted and counted.short:
        return CompletenessState(False, f"{counted} are here", limit)
    if counted and counted.reached:
        return CompletenessState(True, f"{counted} are here", None)
    quiet_at = last_instance + timedelta(seconds=policy.quiet_s)
    if now < quiet_at:
        return CompletenessState(False, f"not quiet for {policy.quiet_s:g} s yet", quiet_at)
    return CompletenessState(True, f"quiet for {policy.quiet_s:g} s", None)


@dataclass(frozen=True)
class _Counted:
    here: int
    expected: int
    keyword: str

    @property
    def short(self) -> bool:
        return self.here < self.expected

    @property
    def reached(self) -> bool:
        # More than expected: the count is not about this series, so it proves nothing.
        return self.here == self.expected

    def __str__(self) -> str:
        return f"{self.here} of the {self.expected} instances that {self.keyword} announces"


def _counted(policy: CompletenessPolicy, facts: SeriesFacts) -> _Counted | None:
    """The first attribute with a usable count: a whole number, not less than one."""
    view = SeriesView(facts)
    for keyword in policy.expected_counts:
        attribute = attribute_named(keyword)
        occurrences = view.reading(attribute).occurrences if attribute else ()
        counts = {value for seen in occurrences for value in seen.values or ()}
        if (
            len(counts) == 1
            and isinstance(count := counts.pop(), float)
            and count >= 1
            and count.is_integer()
        ):
            return _Counted(facts.number_of_instances, int(count), keyword)
    return None


def _missing(policy: CompletenessPolicy, facts: SeriesFacts, study: Sequence[SeriesFacts]) -> Iterator[str]:
    known = views_of([facts, *study])
    for name, condition in policy.required_series.items():
        if not satisfying(known, condition):
            yield name


def _given_up(
    policy: CompletenessPolicy, counted: _Counted | None, missing: tuple[str, ...]
) -> CompletenessState:
    lacks = [f"{counted} are here"] if counted and counted.short else []
    lacks += [f"{', '.join(missing)} did not come"] if missing else []
    return CompletenessState(True, f"after {policy.at_most_s:g} s: {'; '.join(lacks)}", None)


def _concerns(rule: Rule, view: SeriesView) -> bool:
    selects = AllOf((rule.when, rule.series.condition)) if rule.series else rule.when
    return rule.enabled and holds(selects, view)
