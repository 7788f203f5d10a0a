"""What the node remembers: how far it has read, every job, every reason, every result.

All writes that belong together are made on one connection in one transaction; the caller opens it with
`Ledger.transaction()`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from plugin.routing.rule import OutputForm
from plugin.server_line import notify
from plugin.tables import CURSOR, EXPLANATIONS, HOUSEKEEPING, JOBS, RESULT_SERIES

OPEN_STATES = ("queued", "running", "delivering")
STATES = (*OPEN_STATES, "held", "done", "failed", "cancelled")
CALLED = "orthogen called"

FIRST_CURSOR = sa.text(
    f"INSERT INTO {CURSOR.name} (name, sequence) VALUES ('changes', 0) ON CONFLICT DO NOTHING"
)

FIRST_WRITER = sa.text(
    f"INSERT INTO {RESULT_SERIES.name} (series_instance_uid, job_id, kind)"
    " VALUES (:series_instance_uid, :job_id, :kind) ON CONFLICT DO NOTHING"
)

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
    gate: Mapping[str, Any] = field(default_factory=dict)
    """Limits of the quality gate that the rule names in the place of the pipeline's."""
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
    holder: str | None = None
    """The process that runs it; only that one may write its results and its end."""
    crashes: int = 0
    """How often its holder died while running it."""
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    decision: str | None = None
    """What a person did last: cancelled, retried, released or rejected."""
    decided_by: str | None = None
    decided: float | None = None
    results_deleted: float | None = None
    """When retention deleted the delivered results in Orthanc."""

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

    def __init__(self, engine: sa.Engine, on_call: Callable[[str], None] = lambda _calls: None) -> None:
        """`on_call`: told, after the commit, for which queues there is work; PostgreSQL tells by itself."""
        self.engine = engine
        self._on_call = on_call

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            connection.info.pop(CALLED, None)  # of a transaction that was rolled back
            yield connection
            called = connection.info.pop(CALLED, ())
        for calls in called:
            self._on_call(calls)

    def call(self, connection: sa.Connection, calls: str) -> None:
        """Wakes whom it concerns once the transaction is committed, and not if it is not."""
        if connection.dialect.name == "postgresql":
            notify(connection, calls)
        else:
            connection.info.setdefault(CALLED, set()).add(calls)

    # how far /changes has been read

    def cursor(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(CURSOR.c.sequence)).scalar_one_or_none() or 0

    def advance(self, connection: sa.Connection, *, since: int, to: int) -> bool:
        """Belongs in the transaction that takes in what the changes between say, and comes first in it.

        False, and nothing changed, if another node on this database has taken them in.
        """
        if since == 0:
            connection.execute(FIRST_CURSOR)
        change = sa.update(CURSOR).where(CURSOR.c.sequence == since).values(sequence=to)
        return connection.execute(change).rowcount == 1

    # chores

    def note_done(self, chore: str) -> None:
        """Raises NoSpace if the database takes no more rows."""
        with self.transaction() as connection:
            change = sa.update(HOUSEKEEPING).where(HOUSEKEEPING.c.name == chore).values(at=time.time())
            if connection.execute(change).rowcount == 0:
                connection.execute(sa.insert(HOUSEKEEPING).values(name=chore, at=time.time()))

    def last_done(self, chore: str) -> float:
        """0 if never."""
        query = sa.select(HOUSEKEEPING.c.at).where(HOUSEKEEPING.c.name == chore)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none() or 0.0

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

    def is_held(self, job: Job) -> bool:
        """Whether the job is still this holder's to run, at this attempt."""
        same = (JOBS.c.id == job.id, JOBS.c.attempts == job.attempts, JOBS.c.holder == job.holder)
        query = sa.select(JOBS.c.id).where(*same, JOBS.c.state == "running")
        with self.engine.connect() as connection:
            return connection.execute(query).first() is not None

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

    def queued_attempts(self) -> list[tuple[str, int]]:
        """(id, attempt) of every job that waits, and nothing more: there may be ten thousand."""
        query = sa.select(JOBS.c.id, JOBS.c.attempts).where(JOBS.c.state == "queued")
        with self.engine.connect() as connection:
            return [(job_id, attempt) for job_id, attempt in connection.execute(query)]

    def left_behind(self, *, before: float) -> list[Job]:
        """Jobs that ended before that moment (seconds since 1970) without a verdict, and may have left part
        of a result.
        """
        query = sa.select(JOBS).where(
            JOBS.c.state.in_(("failed", "cancelled")),
            JOBS.c.verdict.is_(None),
            JOBS.c.finished < before,
            sa.cast(JOBS.c.result_series_uids, sa.Text) != "[]",
        )
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

    def update_held(self, job: Job, **columns: Any) -> bool:
        """By the process that runs the job; False, and nothing changed, if it does not run it any more."""
        with self.transaction() as connection:
            return self.update_held_in(connection, job, **columns)

    def update_held_in(self, connection: sa.Connection, job: Job, **columns: Any) -> bool:
        """`update_held` in a transaction of the caller's."""
        return self.update_in(
            connection, job.id, expect=("running",), attempt=job.attempts, holder=job.holder, **columns
        )

    def update_in(
        self,
        connection: sa.Connection,
        job_id: str,
        *,
        expect: Sequence[str],
        attempt: int | None = None,
        holder: str | None = None,
        **columns: Any,
    ) -> bool:
        """Changes a job that is in one of the expected states (and at the expected attempt, and still held by
        the expected process).

        False, and nothing changed, if it is not: it was cancelled, or another worker has it.
        """
        change = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.state.in_(expect)).values(**columns)
        if attempt is not None:
            change = change.where(JOBS.c.attempts == attempt)
        if holder is not None:
            change = change.where(JOBS.c.holder == holder)
        return connection.execute(change).rowcount == 1

    # our own results

    def register_result(self, series_instance_uid: str, job_id: str, kind: str) -> None:
        """Must come before the first instance is stored."""
        columns = {"series_instance_uid": series_instance_uid, "job_id": job_id, "kind": kind}
        with self.engine.begin() as connection:
            connection.execute(FIRST_WRITER, columns)

    def own_results(self, job: Job) -> list[str]:
        """The series in Orthanc that are this job's: it has begun to write them, or has made them last."""
        with self.engine.connect() as connection:
            return self.own_results_in(connection, job)

    def own_results_in(self, connection: sa.Connection, job: Job) -> list[str]:
        """The same in a transaction that is open."""
        if job.mode == "shadow":
            return []
        query = sa.select(RESULT_SERIES.c.series_instance_uid).where(RESULT_SERIES.c.job_id == job.id)
        return list(connection.execute(query).scalars())

    def take_over_results(
        self, connection: sa.Connection, series_instance_uids: Sequence[str], job_id: str
    ) -> None:
        """Whose results are theirs to take away: of who writes a series that is no longer there, who has made
        the whole of it last, or whose a person has released.
        """
        of_these = RESULT_SERIES.c.series_instance_uid.in_(series_instance_uids)
        connection.execute(sa.update(RESULT_SERIES).where(of_these).values(job_id=job_id))

    def job_of_result(self, series_instance_uid: str) -> str | None:
        query = sa.select(RESULT_SERIES.c.job_id).where(
            RESULT_SERIES.c.series_instance_uid == series_instance_uid
        )
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()
