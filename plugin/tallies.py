"""What has happened so far, in numbers, from the jobs and deliveries in the ledger.

Before retention deletes rows their numbers are added to a table, so that what is made of both survives
restarts and cleaning alike. The numbers of jobs made and of deliveries confirmed never shrink. Verdicts and
the durations of waiting and processing are those of each job's last attempt: a retry or a release takes back
what the job had added.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from plugin.tables import DELIVERIES, JOBS, TALLIES

Tallies = Mapping[tuple[str, ...], float]
"""By name and labels: ("jobs", pipeline, version), ("verdicts", pipeline, version, verdict), and for each
duration ("seconds", stage, pipeline or destination, bound), how many lasted at most `bound` seconds, with the
bounds "+Inf" (how many there were) and "sum" (of their seconds)."""

BOUNDS_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
BOUNDS = tuple(f"{bound:g}" for bound in BOUNDS_S)
INFINITE, SUM = "+Inf", "sum"
ALL = sa.true()


def tallies(connection: sa.Connection) -> Counter[tuple[str, ...]]:
    """Of everything there is and was."""
    found = tallies_of(connection, ALL)
    for name, labels, value in connection.execute(
        sa.select(TALLIES.c.name, TALLIES.c.labels, TALLIES.c.value)
    ):
        found[(name, *json.loads(labels))] += value
    return found


def keep_tallies(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Belongs in the transaction that deletes these jobs."""
    for (name, *labels), value in tallies_of(connection, which).items():
        row = {"name": name, "labels": json.dumps(labels)}
        change = sa.update(TALLIES).where(TALLIES.c.name == name, TALLIES.c.labels == row["labels"])
        if connection.execute(change.values(value=TALLIES.c.value + value)).rowcount == 0:
            connection.execute(sa.insert(TALLIES).values(**row, value=value))


def tallies_of(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Counter[tuple[str, ...]]:
    """Of the jobs for which a condition on JOBS holds, and of their deliveries."""
    found: Counter[tuple[str, ...]] = Counter()
    for name, columns in (("jobs", ()), ("verdicts", (JOBS.c.verdict,))):
        labels = (JOBS.c.pipeline, JOBS.c.pipeline_version, *columns)
        query = sa.select(sa.func.count(), *labels).where(which).group_by(*labels)
        for count, *values in connection.execute(query):
            if None not in values:
                found[(name, *values)] += count
    for stage, label, begun, ended, condition in _durations():
        found.update(_histogram(connection, stage, label, ended - begun, sa.and_(which, condition)))
    return found


def _durations() -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Stage, label, beginning, end, and the jobs or deliveries that have both."""
    jobs, deliveries = JOBS.c, DELIVERIES.c
    ready = sa.select(sa.func.min(deliveries.created)).where(deliveries.job_id == jobs.id).scalar_subquery()
    has_result = jobs.verdict.is_not(None)
    yield "wait", jobs.pipeline, jobs.created, jobs.started, jobs.started.is_not(None)
    by_itself = sa.or_(jobs.decision.is_(None), jobs.decision != "released")
    ended = sa.func.coalesce(ready, jobs.finished)
    yield "process", jobs.pipeline, jobs.started, ended, sa.and_(has_result, by_itself, ended.is_not(None))
    of_job = (deliveries.job_id == jobs.id, deliveries.finished.is_not(None))
    delivered = sa.and_(*of_job, deliveries.state == "delivered")
    yield "deliver", deliveries.destination, deliveries.created, deliveries.finished, delivered


def _histogram(
    connection: sa.Connection, stage: str, label: Any, seconds: Any, which: sa.ColumnElement[bool]
) -> dict[tuple[str, ...], float]:
    within = [sa.func.sum(sa.case((seconds <= bound, 1), else_=0)) for bound in BOUNDS_S]
    query = sa.select(label, *within, sa.func.count(), sa.func.sum(seconds)).where(which).group_by(label)
    names = (*BOUNDS, INFINITE, SUM)
    return {
        ("seconds", stage, str(row[0]), name): float(value)
        for row in connection.execute(query)
        for name, value in zip(names, row[1:], strict=True)
    }
