"""Nothing half-made stays in Orthanc: what a job that failed or was cancelled has left there is withdrawn.

Workers do so themselves; this covers those that were killed before they could.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from plugin.folders import Folders
from plugin.ledger import Ledger
from plugin.orthanc_rest import OrthancRest
from plugin.own_results import TO_SET_ASIDE, OwnResults, copy_aside
from plugin.tables import TRAFFIC
from plugin.traffic import forget

WORKERS_OWN_TIME_S = 15.0
"""A worker that lives withdraws what it has written itself, after its last instance."""


def tidy_up(results: OwnResults) -> None:
    """Only jobs without a verdict: with one, the result was whole, and what became of it was decided.
    A job that somebody has retried since it was looked up is left alone.

    Raises:
        PassingTrouble: Orthanc does not answer; called again, it goes on where it was.
    """
    ledger = results.ledger
    for job in ledger.left_behind(before=time.time() - WORKERS_OWN_TIME_S):
        with results.alone(job) as present:
            if present == job:
                results.withdraw(job)
                ledger.update(job.id, expect=(job.state,), attempt=job.attempts, result_series_uids=[])


def set_aside_held(results: OwnResults, folders: Folders) -> None:
    """Workers on other machines leave this to the node, in whose folder people look for what is held."""
    ledger = results.ledger
    for job in ledger.jobs(state="held", stage=TO_SET_ASIDE):
        with results.alone(job) as present:
            if present == job:
                made = dict.fromkeys([*job.result_series_uids, *ledger.own_results(job)])
                copy_aside(results.orthanc, list(made), folders.held / job.id)
                results.withdraw(job)
                ledger.update(job.id, expect=("held",), attempt=job.attempts, stage="held")


def forget_deleted(orthanc: OrthancRest, ledger: Ledger) -> None:
    """Orthanc's log of changes names no deletion, so what is kept of series is held against what is there
    afterwards: a series that comes meanwhile is in neither.
    """
    with ledger.engine.connect() as connection:
        kept = set(connection.execute(sa.select(TRAFFIC.c.series_orthanc_id).distinct()).scalars())
    gone = kept - set(orthanc.json("/series"))
    with ledger.transaction() as connection:
        for series_orthanc_id in gone:
            forget(connection, TRAFFIC.c.series_orthanc_id == series_orthanc_id)
