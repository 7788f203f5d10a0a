"""Rules on a series: every rule gets a verdict, in the order the rules are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from plugin.routing.consider import Scene, consider
from plugin.routing.facts import SeriesFacts
from plugin.routing.reading import views_of
from plugin.routing.rule import Rule
from plugin.routing.verdict import Fate, Routing, RuleVerdict, Wait, sum_up


def route(
    facts: SeriesFacts,
    rules: Sequence[Rule],
    study: Sequence[SeriesFacts] = (),
    *,
    now: datetime | None = None,
) -> Routing:
    """The verdict of every rule on one complete series. Pure, and never raises on what a study holds.

    `study`: the known series of its study, with or without this one. `now`: for rules that wait, the time
    at which they are asked; by default the time the series was received.
    """
    others = [one for one in study if one.series_instance_uid != facts.series_instance_uid]
    view, *rest = views_of([facts, *others])
    return route_scene(Scene(view, tuple(rest), now or facts.received), rules)


def route_study(
    study: Sequence[SeriesFacts], rules: Sequence[Rule], *, now: datetime | None = None
) -> tuple[Routing, ...]:
    """`route` for each series of one study among all of them, reading each series once."""
    views = views_of(study)
    scenes = [
        Scene(view, tuple(other for other in views if other is not view), now or view.facts.received)
        for view in views
    ]
    return tuple(route_scene(scene, rules) for scene in scenes)


def waits(
    facts: SeriesFacts, rules: Sequence[Rule], known: Sequence[SeriesFacts], *, now: datetime | None = None
) -> tuple[Wait, ...]:
    """What rules still wait for before they fire on this series, and until when.

    Route the series again when another series of its study completes, and at each `until`.
    """
    return route(facts, rules, known, now=now).waits


def route_scene(scene: Scene, rules: Sequence[Rule]) -> Routing:
    """`route`, on series that have been read already."""
    decisions = in_order(rules, [consider(rule, scene) for rule in rules])
    chosen = tuple(rule for rule, decision in zip(rules, decisions, strict=True) if decision.matched)
    return Routing(decisions, chosen, sum_up(decisions), scene.view.facts.series_instance_uid)


def in_order(rules: Sequence[Rule], verdicts: Sequence[RuleVerdict]) -> tuple[RuleVerdict, ...]:
    """Applies Stop and Fallback. Fallback rules come after all others, wherever they are written.

    A rule that waits and says Stop holds those after it back, so that the outcome does not depend on the
    order in which series arrive. A shadow rule never changes the fate of another rule.
    """
    pairs = list(zip(rules, verdicts, strict=True))
    ordinary = _stopped(pair for pair in pairs if not pair[0].fallback)
    fallbacks = _stopped(_fall_back(pair, ordinary) for pair in pairs if pair[0].fallback)
    settled = iter(ordinary), iter(fallbacks)
    return tuple(next(settled[rule.fallback])[1] for rule in rules)


_Pair = tuple[Rule, RuleVerdict]


@dataclass(frozen=True)
class _Barrier:
    """A rule before that stops, or may yet stop, the rules after it."""

    fate: Fate
    detail: str


def _stopped(pairs: Iterable[_Pair]) -> list[_Pair]:
    barrier: _Barrier | None = None
    settled: list[_Pair] = []
    for rule, verdict in pairs:
        settled.append((rule, _behind(barrier, verdict)))
        barrier = barrier or _barrier_after(rule, settled[-1][1])
    return settled


def _barrier_after(rule: Rule, verdict: RuleVerdict) -> _Barrier | None:
    if not rule.stop or rule.mode == "shadow":
        return None
    if verdict.matched:
        return _Barrier("stopped", f"rule {rule.name!r} before it matched and says Stop")
    if verdict.fate == "waits":
        return _Barrier("waits", f"waits for rule {rule.name!r} before it, which still waits and says Stop")
    return None


def _behind(barrier: _Barrier | None, verdict: RuleVerdict) -> RuleVerdict:
    if barrier is None or verdict.fate == "disabled":
        return verdict
    if barrier.fate == "waits" and not verdict.matched:
        return verdict
    return _overruled(verdict, barrier.fate, barrier.detail)


def _fall_back(pair: _Pair, ordinary: Sequence[_Pair]) -> _Pair:
    rule, verdict = pair
    live = [(other, fate) for other, fate in ordinary if other.mode == "live"]
    matched = next((other.name for other, fate in live if fate.matched), None)
    waiting = next((other.name for other, fate in live if fate.fate == "waits"), None)
    if not verdict.matched and verdict.fate != "waits":
        return pair
    if matched is not None:
        return rule, _overruled(verdict, "fallback-not-needed", f"rule {matched!r} matched")
    if waiting is not None and verdict.matched:
        return rule, _overruled(verdict, "waits", f"waits for rule {waiting!r}, which may yet match")
    return pair


def _overruled(verdict: RuleVerdict, fate: Fate, detail: str) -> RuleVerdict:
    return verdict._replace(
        matched=False,
        fate=fate,
        detail=detail,
        inputs=(),
        not_before=None,
        wait=None,
    )
