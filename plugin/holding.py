"""Who runs a job: its holder, the process that may write its results and its end. Every write of a holder is
bound to that in the same statement, so that a process that lost its job, and does not know, changes nothing.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from plugin.ledger import Job, Ledger
from plugin.tables import JOBS

CRASHES_ALLOWED = 3
SET_ASIDE = f"set aside: the worker crashed {CRASHES_ALLOWED} times while running this job"


def claim(ledger: Ledger, job_id: str, attempt: int, holder: str) -> Job | None:
    """The job, from now on the holder's; None if it is at another attempt, over, or somebody else's."""
    free = sa.or_(JOBS.c.holder.is_(None), JOBS.c.holder == holder)
    ours = sa.or_(JOBS.c.state == "queued", sa.and_(JOBS.c.state == "running", free))
    taken: dict[str, Any] = {"state": "running", "stage": "fetch", "started": time.time()}
    change = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.attempts == attempt, ours)
    with ledger.transaction() as connection:
        changed = connection.execute(change.values(holder=holder, **taken)).rowcount == 1
    return ledger.job(job_id) if changed else None


def is_lost(ledger: Ledger, job_id: str, attempt: int, holder: str) -> bool:
    """This very attempt goes on, but not here: it was taken from this process, or laid down."""
    job = ledger.job(job_id)
    running = job is not None and job.state == "running" and job.attempts == attempt
    return running and job is not None and job.holder != holder


def lay_down(ledger: Ledger, holder: str) -> None:
    """The holder ends in good order: what it runs is free for others."""
    with ledger.transaction() as connection:
        connection.execute(_held_by(holder).values(holder=None))


def take_from_dead(ledger: Ledger, holder: str) -> int:
    """Fences a holder that is gone; returns how many jobs are set aside because it was once too often."""
    with ledger.transaction() as connection:
        connection.execute(_held_by(holder).values(crashes=JOBS.c.crashes + 1))
        ended: dict[str, Any] = {"state": "failed", "stage": "failed", "finished": time.time()}
        too_often = _held_by(holder).where(JOBS.c.crashes >= CRASHES_ALLOWED)
        aside = connection.execute(too_often.values(holder=None, reasons=[SET_ASIDE], **ended)).rowcount
        connection.execute(_held_by(holder).values(holder=None))
    return int(aside)


def _held_by(holder: str) -> sa.Update:
    return sa.update(JOBS).where(JOBS.c.holder == holder, JOBS.c.state == "running")
