"""A changed rule set on past traffic: whose fate would differ. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plugin.routing.consider import Scene
from plugin.routing.facts import SeriesFacts
from plugin.routing.reading import SeriesView
from plugin.routing.route import route_scene
from plugin.routing.rule import Rule
from plugin.routing.verdict import Routing

NOTHING = "not processed"


@dataclass(frozen=True)
class PlannedJob:
    """What would be done; the name of the rule is no part of it."""

    pipeline: str
    mode: str
    priority: str
    on_hold: str
    send_to: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    not_before: datetime | None

    def __str__(self) -> str:
        """`ct-denoise (shadow, stat, to PACS)`; what is usual goes without saying."""
        marks = [
            mark
            for mark, usual in ((self.mode, "live"), (self.priority, "routine"), (self.on_hold, "keep"))
            if mark != usual
        ]
        marks += [f"to {name}" for name in self.send_to]
        marks += [f"not before {self.not_before:%H:%M}"] if self.not_before else []
        marks += [f"{name} = {uid}" for name, uid in self.inputs]
        return f"{self.pipeline} ({', '.join(marks)})" if marks else self.pipeline


@dataclass(frozen=True)
class FateChange:
    """One series that would fare differently."""

    study_instance_uid: str
    series_instance_uid: str
    received: datetime
    before: tuple[PlannedJob, ...]
    after: tuple[PlannedJob, ...]
    why: str
    """The summary of the changed rules on this series."""

    def as_json(self) -> dict[str, Any]:
        return {
            "study_instance_uid": self.study_instance_uid,
            "series_instance_uid": self.series_instance_uid,
            "received": self.received.isoformat(),
            "before": [str(job) for job in self.before],
            "after": [str(job) for job in self.after],
            "why": self.why,
        }


@dataclass(frozen=True)
class Replay:
    """The outcome over all past series."""

    studies: int
    series: int
    changes: tuple[FateChange, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "studies": self.studies,
            "series": self.series,
            "changed": len(self.changes),
            "changes": [change.as_json() for change in self.changes],
        }

    def table(self) -> str:
        """For a terminal: one line a changed series, then the totals."""
        rows = [("received", "series", "before", "after")]
        rows += [
            (
                f"{change.received:%Y-%m-%d %H:%M}",
                change.series_instance_uid,
                _told(change.before),
                _told(change.after),
            )
            for change in self.changes
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        total = f"{len(self.changes)} of {self.series} series in {self.studies} studies would change fate"
        return "\n".join([*(lines if self.changes else []), total])


def replay(past: Sequence[SeriesFacts], before: Sequence[Rule], after: Sequence[Rule]) -> Replay:
    """Both rule sets on past series, each among all the series its study came to have, waits waited out.

    Of a series received several times, the last state counts.
    """
    studies: dict[str, dict[str, SeriesFacts]] = {}
    for facts in sorted(past, key=lambda facts: facts.received.timestamp()):
        studies.setdefault(facts.study_instance_uid, {})[facts.series_instance_uid] = facts
    changes = [
        change for study in studies.values() for change in _changes_in(list(study.values()), before, after)
    ]
    return Replay(len(studies), sum(map(len, studies.values())), tuple(changes))


def _changes_in(
    study: Sequence[SeriesFacts], before: Sequence[Rule], after: Sequence[Rule]
) -> list[FateChange]:
    views = [SeriesView(facts) for facts in study]
    changes = []
    for view in views:
        others = tuple(other for other in views if other is not view)
        old, new = (_waited_out(view, others, rules) for rules in (before, after))
        planned_before, planned_after = _planned(old, before), _planned(new, after)
        if planned_before != planned_after:
            uids = view.facts.study_instance_uid, view.facts.series_instance_uid
            changes.append(FateChange(*uids, view.facts.received, planned_before, planned_after, new.summary))
    return changes


def _waited_out(view: SeriesView, others: tuple[SeriesView, ...], rules: Sequence[Rule]) -> Routing:
    """The fate in the end: asked again at each time a rule waits for, until none waits."""
    routing = route_scene(Scene(view, others, view.facts.received), rules)
    while routing.waits:
        latest = max((wait.until for wait in routing.waits), key=datetime.timestamp)
        routing = route_scene(Scene(view, others, latest), rules)
    return routing


def _planned(routing: Routing, rules: Sequence[Rule]) -> tuple[PlannedJob, ...]:
    by_name: Mapping[str, Rule] = {rule.name: rule for rule in rules}
    jobs = [
        PlannedJob(
            rule.pipeline,
            rule.mode,
            rule.priority,
            rule.on_hold,
            rule.send_to,
            decision.inputs,
            decision.not_before,
        )
        for decision in routing.decisions
        if decision.matched and (rule := by_name[decision.rule])
    ]
    return tuple(sorted(jobs, key=str))


def _told(jobs: tuple[PlannedJob, ...]) -> str:
    return "; ".join(str(job) for job in jobs) or NOTHING
