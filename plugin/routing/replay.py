"""A changed rule set on past traffic: whose fate would differ. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from plugin.routing.consider import Scene
from plugin.routing.facts import SeriesFacts
from plugin.routing.orders import Order, orders
from plugin.routing.reading import SeriesView, views_of
from plugin.routing.route import route_scene
from plugin.routing.rule import Rule
from plugin.routing.verdict import Routing

NOTHING = "not processed"


@dataclass(frozen=True)
class FateChange:
    """One series that would fare differently."""

    study_instance_uid: str
    series_instance_uid: str
    received: datetime
    before: tuple[Order, ...]
    after: tuple[Order, ...]
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
    views = views_of(study)
    changes = []
    for view in views:
        others = tuple(other for other in views if other is not view)
        old, new = (_waited_out(view, others, rules) for rules in (before, after))
        orders_before, orders_after = orders(old), orders(new)
        if _work(orders_before) != _work(orders_after):
            uids = view.facts.study_instance_uid, view.facts.series_instance_uid
            changes.append(FateChange(*uids, view.facts.received, orders_before, orders_after, new.summary))
    return changes


def _waited_out(view: SeriesView, others: tuple[SeriesView, ...], rules: Sequence[Rule]) -> Routing:
    """The fate in the end: asked again at each time a rule waits for, until none waits."""
    routing = route_scene(Scene(view, others, view.facts.received), rules)
    while routing.waits:
        latest = max((wait.until for wait in routing.waits), key=datetime.timestamp)
        routing = route_scene(Scene(view, others, latest), rules)
    return routing


def _work(asked: Sequence[Order]) -> list[Order]:
    """The orders without what changes nothing: the names of the rules and their place in the list."""
    return sorted((replace(order, rules=()) for order in asked), key=str)


def _told(jobs: tuple[Order, ...]) -> str:
    return "; ".join(str(job) for job in jobs) or NOTHING
