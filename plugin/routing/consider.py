"""One rule on one series, apart from all other rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from plugin.routing.candidates import fill_inputs, in_order_of_preference, satisfying, why_preferred
from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.judging import Judgement
from plugin.routing.reading import SeriesView
from plugin.routing.rule import Rule, SeriesChoice
from plugin.routing.verdict import Fate, RuleVerdict, Wait

INPUTS_WITHIN_SECONDS = 3600.0
"""How long a rule with several inputs waits for the missing ones where it has no WaitFor."""


@dataclass(frozen=True)
class Scene:
    """The series to be routed, among the series of its study, at one moment."""

    view: SeriesView
    others: tuple[SeriesView, ...]
    now: datetime

    @property
    def study(self) -> tuple[SeriesView, ...]:
        return (self.view, *self.others)


class _Outcome(NamedTuple):
    """How far a rule came, and the words for it."""

    fate: Fate
    detail: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    wait: Wait | None = None


def consider(rule: Rule, scene: Scene) -> RuleVerdict:
    """The rule's verdict before Stop and Fallback are looked at. Never raises on what a study holds."""
    (_, _, (when, choice)), traces = rule.asks.selects.ask(scene.view)
    if not rule.enabled:
        outcome = _Outcome("disabled")
    elif not when.holds:
        outcome = _Outcome("does-not-apply", f"wants {when.because(traces)}")
    elif not choice.holds:
        outcome = _Outcome("not-this-series", f"wants {choice.because(traces)}")
    else:
        inputs = {name: question.ask(scene.view) for name, question in rule.asks.inputs.items()}
        traces += tuple(trace for judgement in inputs.values() for trace in judgement.traces)
        outcome = _choose(rule, scene, inputs)
    return _verdict(rule, outcome, traces, scene.now)


def _verdict(rule: Rule, outcome: _Outcome, traces: tuple[ConditionTrace, ...], now: datetime) -> RuleVerdict:
    runs = outcome.fate == "runs"
    starts = rule.schedule.start(now) if runs and rule.schedule else now
    return RuleVerdict(
        rule=rule.name,
        matched=runs,
        conditions=traces,
        fate=outcome.fate,
        detail=outcome.detail,
        inputs=outcome.inputs,
        not_before=starts if starts != now else None,
        wait=outcome.wait,
    )


def _choose(rule: Rule, scene: Scene, inputs: Mapping[str, Judgement]) -> _Outcome:
    """The rule holds for this series: is it the one, and is everything there?"""
    outcome = _fill(rule, rule.series, scene, inputs) if rule.series and inputs else _prefer(rule, scene)
    if outcome.fate != "runs":
        return outcome
    return _settle(rule, scene) or _wait_for_series(rule, scene) or outcome


def _prefer(rule: Rule, scene: Scene) -> _Outcome:
    prefer = rule.series.prefer if rule.series else ()
    if not rule.series or not prefer:
        return _Outcome("runs", "every condition holds")
    rivals = [scene.view, *satisfying(scene.others, rule.when, rule.series.condition)]
    best = in_order_of_preference(rivals, prefer)[0]
    if best is scene.view:
        return _Outcome("runs", f"every condition holds, preferred among {len(rivals)} series")
    detail = f"prefers series {best.facts.series_instance_uid}, {why_preferred(best, scene.view, prefer)}"
    return _Outcome("other-series-preferred", detail)


def _fill(rule: Rule, choice: SeriesChoice, scene: Scene, inputs: Mapping[str, Judgement]) -> _Outcome:
    if not any(judgement.holds for judgement in inputs.values()):
        details = "; ".join(f"{name}: {judgement.because}" for name, judgement in inputs.items())
        return _Outcome("not-this-series", f"wants for its inputs {details}")
    filled = fill_inputs(rule, choice, scene.study)
    missing = tuple(name for name in choice.inputs if name not in filled)
    if missing:
        return _waiting(rule, scene, missing)
    if scene.view not in filled.values():
        return _Outcome("other-series-preferred", "its inputs are filled by other series")
    uids = tuple((name, view.facts.series_instance_uid) for name, view in filled.items())
    return _Outcome("runs", f"every input is there: {', '.join(filled)}", inputs=uids)


def _settle(rule: Rule, scene: Scene) -> _Outcome | None:
    """A preference is only settled when the study has been quiet for long enough."""
    if not rule.series or not rule.series.settle_seconds:
        return None
    latest = max((view.facts.received for view in scene.study), key=datetime.timestamp)
    until = latest + timedelta(seconds=rule.series.settle_seconds)
    if scene.now.timestamp() >= until.timestamp():
        return None
    detail = f"for the study to be quiet for {rule.series.settle_seconds:g} s"
    return _Outcome("waits", f"waits {detail}", wait=Wait(rule.name, (), until, "run"))


def _wait_for_series(rule: Rule, scene: Scene) -> _Outcome | None:
    if not rule.wait_for:
        return None
    named = rule.wait_for.series.items()
    missing = tuple(name for name, condition in named if not satisfying(scene.study, condition))
    if not missing:
        return None
    waiting = _waiting(rule, scene, missing)
    if waiting.fate == "waits" or rule.wait_for.then == "skip":
        return waiting
    waited = f"has waited {rule.wait_for.at_most_seconds:g} s for {', '.join(missing)} and runs without"
    return _Outcome("runs", waited)


def _waiting(rule: Rule, scene: Scene, missing: Sequence[str]) -> _Outcome:
    limit_s = rule.wait_for.at_most_seconds if rule.wait_for else INPUTS_WITHIN_SECONDS
    then: Literal["run", "skip"] = rule.wait_for.then if rule.wait_for else "skip"
    until = scene.view.facts.received + timedelta(seconds=limit_s)
    names = ", ".join(missing)
    if scene.now.timestamp() >= until.timestamp():
        return _Outcome("gave-up", f"has waited {limit_s:g} s for {names}")
    wait = Wait(rule.name, tuple(missing), until, then)
    return _Outcome("waits", f"waits for {names} until {until:%H:%M:%S}", wait=wait)
