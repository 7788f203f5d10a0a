"""What the node remembers: how far it has read, every job, every reason, every result.

All writes that belong together are made on one connection in one transaction; the caller opens it with
`Ledger.transaction()`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from plugin.routing.rule import OutputForm
from plugin.tables import CURSOR, EXPLANATIONS, JOBS, RESULT_SERIES

OPEN_STATES = ("queued", "running", "delivering")
STATES = (*OPEN_STATES, "held", "done", "failed", "cancelled")


Instances = tuple[tuple[str, str], ...]
"""(SOP Instance UID, Orthanc id) of each instance of a series, sorted: its content at one moment."""


@dataclass(frozen=True)
class FurtherSeries:
    """The series that a further input of a pipeline takes."""

    input_name: str
    series_orthanc_id: str
    series_instance_uid: str
    instances: Instances


@dataclass(frozen=True)
class Job:
    """One run of one pipeline on one content of one series."""

    id: str
    key: str
    state: str
    pipeline: str
    pipeline_version: str
    rule: str
    mode: str
    on_hold: str
    priority: str
    send_to: tuple[str, ...]
    study_instance_uid: str
    source_series_uid: str
    series_orthanc_id: str
    instances: Instances
    companions: tuple[str, ...] = ()
    """What is made beside the result."""
    output: OutputForm = "classic"
    """The form of the result of an Enhanced source."""
    further: tuple[FurtherSeries, ...] = ()
    """The series of the pipeline's further inputs."""
    result_series_uids: tuple[str, ...] = ()
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    stage: str = "queued"
    progress: float = 0.0
    """Share of the work that is done, 0 to 1."""
    attempts: int = 1
    created: float = 0.0
    started: float | None = None
    finished: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Job:
        lists = {
            name: tuple(row[name]) for name in ("send_to", "companions", "result_series_uids", "reasons")
        }
        further = tuple(FurtherSeries(**{**each, "instances": _pairs(each)}) for each in row["further"])
        return cls(**{**row, **lists, "instances": _pairs(row), "further": further})


def _pairs(row: Mapping[str, Any]) -> Instances:
    return tuple((uid, orthanc_id) for uid, orthanc_id in row["instances"])


class Ledger:
    """The tables, by what the node does with them."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            yield connection

    # how far /changes has been read

    def cursor(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(CURSOR.c.sequence)).scalar_one_or_none() or 0

    def advance(self, connection: sa.Connection, sequence: int) -> None:
        """Belongs in the transaction that takes in what the changes up to there say."""
        connection.execute(sa.delete(CURSOR))
        connection.execute(sa.insert(CURSOR).values(name="changes", sequence=sequence))

    # why

    def explain(self, connection: sa.Connection, **columns: Any) -> None:
        connection.execute(sa.insert(EXPLANATIONS).values(at=time.time(), **columns))

    def explanations(self, study_instance_uid: str) -> list[dict[str, Any]]:
        """Every judgement on the study's series, oldest first."""
        query = sa.select(EXPLANATIONS).where(EXPLANATIONS.c.study_instance_uid == study_instance_uid)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(EXPLANATIONS.c.number)).mappings()]

    # jobs

    def add(self, connection: sa.Connection, job: Job) -> None:
        connection.execute(sa.insert(JOBS).values(**asdict(job)))

    def job(self, job_id: str) -> Job | None:
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job_id)).mappings().one_or_none()
        return Job.of(dict(row)) if row else None

    def with_key(self, connection: sa.Connection, key: str) -> Job | None:
        """The latest job of this content and pipeline version."""
        query = sa.select(JOBS).where(JOBS.c.key == key).order_by(JOBS.c.created.desc()).limit(1)
        row = connection.execute(query).mappings().one_or_none()
        return Job.of(dict(row)) if row else None

    def jobs(self, *, limit: int = 100, since: float | None = None, **equals: str) -> list[Job]:
        """The latest jobs first; `equals` by column name."""
        query = sa.select(JOBS).order_by(JOBS.c.created.desc()).limit(limit)
        for column, value in equals.items():
            query = query.where(JOBS.c[column] == value)
        if since is not None:
            query = query.where(JOBS.c.created >= since)
        with self.engine.connect() as connection:
            return [Job.of(dict(row)) for row in connection.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state; every state is named."""
        query = sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)
        with self.engine.connect() as connection:
            found = {state: count for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in STATES}

    def update(
        self, job_id: str, *, expect: Sequence[str], attempt: int | None = None, **columns: Any
    ) -> bool:
        """`update_in` in a transaction of its own."""
        with self.transaction() as connection:
            return self.update_in(connection, job_id, expect=expect, attempt=attempt, **columns)

    def update_in(
        self,
        connection: sa.Connection,
        job_id: str,
        *,
        expect: Sequence[str],
        attempt: int | None = None,
        **columns: Any,
    ) -> bool:
        """Changes a job that is in one of the expected states (and at the expected attempt).

        False, and nothing changed, if it is not: it was cancelled, or another worker has it.
        """
        change = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.state.in_(expect)).values(**columns)
        if attempt is not None:
            change = change.where(JOBS.c.attempts == attempt)
        return connection.execute(change).rowcount == 1

    # our own results

    def register_result(self, series_instance_uid: str, job_id: str, kind: str) -> None:
        """Must come before the first instance is stored."""
        with self.engine.begin() as connection:
            known = sa.select(RESULT_SERIES.c.job_id).where(
                RESULT_SERIES.c.series_instance_uid == series_instance_uid
            )
            if connection.execute(known).first() is None:
                connection.execute(
                    sa.insert(RESULT_SERIES).values(
                        series_instance_uid=series_instance_uid, job_id=job_id, kind=kind
                    )
                )

    def own_results(self, job: Job) -> list[str]:
        """The series in Orthanc that this job, and no other before it, has begun to write."""
        if job.mode == "shadow":
            return []
        query = sa.select(RESULT_SERIES.c.series_instance_uid).where(RESULT_SERIES.c.job_id == job.id)
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def take_over_result(self, series_instance_uid: str, job_id: str) -> None:
        """The series is no longer there: whoever writes it now is its writer."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.update(RESULT_SERIES)
                .where(RESULT_SERIES.c.series_instance_uid == series_instance_uid)
                .values(job_id=job_id)
            )

    def job_of_result(self, series_instance_uid: str) -> str | None:
        query = sa.select(RESULT_SERIES.c.job_id).where(
            RESULT_SERIES.c.series_instance_uid == series_instance_uid
        )
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()
