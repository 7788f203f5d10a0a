"""Retention: what is older than the setting `Retention` allows is deleted, and the log names each job.

Never what may still be wanted: results before every destination has confirmed them, results a person has to
decide on, jobs whose delivery failed, anything of a job that is under way. The register of our own result
UIDs stays for ever: it keeps a result from being taken for an acquired series.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from plugin.delivery.dispatch import turn_ids
from plugin.folders import Folders
from plugin.ledger import OPEN_STATES, Job, Ledger
from plugin.own_results import OwnResults
from plugin.retention_limits import DAY_S, RetentionLimits
from plugin.routing.guards import WINDOW
from plugin.submit import Queue, workflow_id
from plugin.tables import (
    COMMITMENTS,
    DELIVERIES,
    DELIVERY_IMAGES,
    EXPLANATIONS,
    GATE_REPORTS,
    JOBS,
    TRAFFIC,
    WATCHED,
)
from plugin.tallies import keep_tallies

AT_ONCE = 50
"""Jobs in one cleaning, so that nothing waits for long meanwhile."""
UNDECIDED = (*OPEN_STATES, "held")
ENDED = ("done", "failed", "cancelled")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retention:
    """What cleaning needs."""

    limits: RetentionLimits
    results: OwnResults
    queue: Queue
    folders: Folders

    @property
    def ledger(self) -> Ledger:
        return self.results.ledger

    def clean(self) -> bool:
        """Once over everything; whether there may be more.

        Raises:
            PassingTrouble: Orthanc does not answer, or a disk is full; called again, it goes on.
        """
        limits, folders = self.limits, self.folders
        self._clean_folder(folders.shadow, "shadow result", limits.shadow_days)
        self._clean_folder(folders.held, "rest of the held result", limits.held_days)
        self._clean_folder(folders.quarantine, "quarantined instances", limits.quarantine_days)
        results = self._delete_results() if limits.result_days else 0
        jobs = self._delete_jobs() if limits.job_days else 0
        self._delete_reports()
        self._delete_rows()
        return AT_ONCE in (results, jobs)

    def _clean_folder(self, folder: Path, what: str, days: float | None) -> None:
        if days is None or not folder.is_dir():
            return
        for kept in sorted(folder.iterdir()):
            job = self.ledger.job(kept.name)
            with self.results.alone(job) if job else nullcontext() as present:
                ended = (job.finished if job else None) or kept.stat().st_mtime
                if present == job and (job is None or job.state not in UNDECIDED) and ended < before(days):
                    shutil.rmtree(kept, ignore_errors=True)
                    log.info("retention: job %s: its %s was deleted", kept.name, what)

    def _delete_results(self) -> int:
        """Delivered result series go from Orthanc; what was delivered is at its destinations."""
        jobs = self._ended_before(self.limits.result_days, delivered(), JOBS.c.results_deleted.is_(None))
        return sum(self._delete_result(job) for job in jobs)

    def _delete_result(self, job: Job) -> bool:
        with self.results.alone(job) as present:
            if present != job or self._is_used(job):
                return False
            self.results.withdraw(job)
            self.ledger.update(job.id, expect=("done",), results_deleted=time.time())
        log.info("retention: job %s: its delivered results were deleted in Orthanc", job.id)
        return True

    def _is_used(self, job: Job) -> bool:
        """Whether a result is the source of a job that is not over, or also the result of another job that is
        undecided or undelivered: the same run made again (force) has the same UIDs.
        """
        sources = JOBS.c.source_series_uid.in_(job.result_series_uids)
        same_source = sa.and_(JOBS.c.id != job.id, JOBS.c.source_series_uid == job.source_series_uid)
        undecided = JOBS.c.state.in_(UNDECIDED)
        to_deliver = sa.and_(JOBS.c.state != "cancelled", undelivered())
        wanted = sa.or_(sa.and_(sources, undecided), sa.and_(same_source, sa.or_(undecided, to_deliver)))
        query = sa.select(JOBS.c.source_series_uid, JOBS.c.result_series_uids).where(wanted)
        with self.ledger.engine.connect() as connection:
            found = connection.execute(query).all()
        results = set(job.result_series_uids)
        return any(source in results or not results.isdisjoint(made) for source, made in found)

    def _delete_jobs(self) -> int:
        """A job of which something is kept aside stays as long as that."""
        kept = [
            path.name for folder in self.folders.kept_aside if folder.is_dir() for path in folder.iterdir()
        ]
        over = sa.or_(JOBS.c.state == "cancelled", ~undelivered())
        jobs = self._ended_before(self.limits.job_days, over, JOBS.c.id.not_in(kept))
        for job in jobs:
            self._delete_job(job)
            log.info("retention: job %s was deleted", job.id)
        return len(jobs)

    def _delete_job(self, job: Job) -> None:
        """The queue's rows go first: whatever is killed in between, the next cleaning finds the job again."""
        with self.ledger.engine.connect() as connection:
            turns = turn_ids(connection, job.id)
        self.queue.forget([*(workflow_id(job.id, attempt + 1) for attempt in range(job.attempts)), *turns])
        with self.ledger.transaction() as connection:
            over = sa.and_(JOBS.c.id == job.id, JOBS.c.state.in_(ENDED))
            keep_tallies(connection, over)
            if connection.execute(sa.delete(JOBS).where(over)).rowcount == 0:
                return  # somebody runs it again
            for table in (DELIVERY_IMAGES, COMMITMENTS, DELIVERIES, GATE_REPORTS):
                connection.execute(sa.delete(table).where(table.c.job_id == job.id))

    def _delete_reports(self) -> None:
        if self.limits.report_days is None:
            return
        undecided = sa.select(JOBS.c.id).where(JOBS.c.state.in_(UNDECIDED))
        over = sa.and_(
            GATE_REPORTS.c.made < before(self.limits.report_days), GATE_REPORTS.c.job_id.not_in(undecided)
        )
        with self.ledger.transaction() as connection:
            jobs = connection.execute(sa.select(GATE_REPORTS.c.job_id).where(over)).scalars().all()
            connection.execute(sa.delete(GATE_REPORTS).where(over))
        for job_id in jobs:
            log.info("retention: job %s: the report of its gate was deleted", job_id)

    def _delete_rows(self) -> None:
        open_studies = sa.select(JOBS.c.study_instance_uid).where(JOBS.c.state.in_(UNDECIDED))
        pending = sa.select(WATCHED.c.study_instance_uid).where(WATCHED.c.study_instance_uid.is_not(None))
        limits = (
            (EXPLANATIONS, self.limits.explanation_days, "explanations"),
            (TRAFFIC, self.limits.traffic_days, "records of received series"),
        )
        for table, days, what in limits:
            if days is None:
                continue
            study = table.c.study_instance_uid
            old = table.c.at < min(before(days), time.time() - WINDOW.total_seconds() * (table is TRAFFIC))
            with self.ledger.transaction() as connection:
                wanted = sa.or_(study.in_(open_studies), study.in_(pending))
                count = connection.execute(sa.delete(table).where(old, ~wanted)).rowcount
            if count:
                log.info("retention: %d %s were deleted", count, what)

    def _ended_before(self, days: float | None, *conditions: sa.ColumnElement[bool]) -> Sequence[Job]:
        assert days is not None
        old = sa.and_(JOBS.c.state.in_(ENDED), JOBS.c.finished < before(days), *conditions)
        return list(self._jobs(old))

    def _jobs(self, which: sa.ColumnElement[bool]) -> Iterator[Job]:
        query = sa.select(JOBS).where(which).order_by(JOBS.c.finished).limit(AT_ONCE)
        with self.ledger.engine.connect() as connection:
            rows = list(connection.execute(query).mappings())
        return (Job.of(dict(row)) for row in rows)


def before(days: float) -> float:
    """The moment that many days ago, in seconds since 1970."""
    return time.time() - days * DAY_S


def undelivered() -> sa.ColumnElement[bool]:
    """A destination of the job has not confirmed it."""
    return sa.exists().where(DELIVERIES.c.job_id == JOBS.c.id, DELIVERIES.c.state != "delivered")


def delivered() -> sa.ColumnElement[bool]:
    """There are destinations, and every one has confirmed."""
    sent = sa.exists().where(DELIVERIES.c.job_id == JOBS.c.id)
    return sa.and_(JOBS.c.state == "done", JOBS.c.mode == "live", sent, ~undelivered())
