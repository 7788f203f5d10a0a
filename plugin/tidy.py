"""Nothing half-made stays in Orthanc: what a job that failed or was cancelled has left there is withdrawn.

Workers do so themselves; this covers those that were killed before they could.
"""

from __future__ import annotations

from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import withdraw
from plugin.orthanc_rest import OrthancRest

MOST = 50


def tidy_up(orthanc: OrthancRest, ledger: Ledger) -> None:
    """Only jobs without a verdict: with one, the result was whole, and what became of it was decided.

    Raises:
        PassingTrouble: Orthanc does not answer; called again, it goes on where it was.
    """
    for state in ("failed", "cancelled"):
        for job in ledger.jobs(state=state, limit=MOST):
            if job.result_series_uids and job.verdict is None:
                _tidy(orthanc, ledger, job)


def _tidy(orthanc: OrthancRest, ledger: Ledger, job: Job) -> None:
    withdraw(orthanc, ledger.own_results(job))
    ledger.update(job.id, expect=(job.state,), attempt=job.attempts, result_series_uids=[])
