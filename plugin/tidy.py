"""Nothing half-made stays in Orthanc: what a job that failed or was cancelled has left there is withdrawn.

Workers do so themselves; this covers those that were killed before they could.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import withdraw
from plugin.orthanc_rest import OrthancRest
from plugin.tables import TRAFFIC
from plugin.traffic import forget

MOST = 50
WORKERS_OWN_TIME_S = 15.0
"""A worker that lives withdraws what it has written itself, after its last instance."""


def tidy_up(orthanc: OrthancRest, ledger: Ledger) -> None:
    """Only jobs without a verdict: with one, the result was whole, and what became of it was decided.

    Raises:
        PassingTrouble: Orthanc does not answer; called again, it goes on where it was.
    """
    for state in ("failed", "cancelled"):
        for job in ledger.jobs(state=state, limit=MOST):
            ended = job.finished or 0.0
            if job.result_series_uids and job.verdict is None and time.time() - ended > WORKERS_OWN_TIME_S:
                _tidy(orthanc, ledger, job)


def forget_deleted(orthanc: OrthancRest, ledger: Ledger) -> None:
    """Orthanc's log of changes names no deletion, so what is kept of series is held against what is there."""
    present = set(orthanc.json("/series"))
    with ledger.transaction() as connection:
        kept = connection.execute(sa.select(TRAFFIC.c.series_orthanc_id).distinct()).scalars()
        for series_orthanc_id in set(kept) - present:
            forget(connection, TRAFFIC.c.series_orthanc_id == series_orthanc_id)


def _tidy(orthanc: OrthancRest, ledger: Ledger, job: Job) -> None:
    withdraw(orthanc, ledger.own_results(job))
    ledger.update(job.id, expect=(job.state,), attempt=job.attempts, result_series_uids=[])
