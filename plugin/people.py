"""What people do to jobs: run now, cancel, retry, release, reject. Each checks the state it needs, and says
so.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plugin.delivery.dispatch import after_results
from plugin.ledger import OPEN_STATES, STATES, Job, Ledger
from plugin.own_results import TO_SET_ASIDE, bring_back
from plugin.parts import Parts
from plugin.rest_errors import Conflict, NotFound, Unacceptable

UID = re.compile(r"[0-9.]{1,64}")
"""Orthanc's find takes wildcards and lists in their place."""
PATIENCE_S = 10.0


def run_now(parts: Parts, wanted: Mapping[str, Any]) -> tuple[Job, bool]:
    """A job for `series_instance_uid` by `pipeline`, and whether it is new."""
    unknown = set(wanted) - {"series_instance_uid", "pipeline", "force"}
    if unknown:
        raise Unacceptable(
            f"unknown key {sorted(unknown)[0]!r}", remedy="allowed are series_instance_uid, pipeline, force"
        )
    pipeline = str(wanted.get("pipeline", ""))
    if pipeline not in parts.catalog.names():
        raise NotFound(
            f"there is no pipeline {pipeline!r}", remedy="one of " + ", ".join(parts.catalog.names())
        )
    series_uid = str(wanted.get("series_instance_uid", ""))
    if not UID.fullmatch(series_uid):
        raise Unacceptable(f"{series_uid!r} is no UID", remedy="digits and dots, at most 64 (PS3.5 9.1)")
    series_orthanc_id = parts.reception.orthanc.find_series(series_uid)
    if series_orthanc_id is None:
        raise NotFound(f"Orthanc has no series {series_uid!r}", remedy="send the series first")
    parts.space.require()
    job, new = parts.reception.run_now(series_orthanc_id, pipeline, again=wanted.get("force") is True)
    return job, new


def decision(what: str, by: str) -> dict[str, Any]:
    """Who decided what, and when, as columns of the job."""
    return {"decision": what, "decided_by": by, "decided": time.time()}


def cancel(parts: Parts, job: Job, by: str) -> Job:
    """Images that have been delivered already stay where they are. `by`: who wants it."""
    with parts.ledger.transaction() as connection:
        ended: dict[str, Any] = {"state": "cancelled", "stage": "cancelled", "finished": time.time()}
        ended |= decision("cancelled", by)
        changed = parts.ledger.update_in(connection, job.id, expect=OPEN_STATES, **ended)
        if changed:
            parts.dispatch.cancel(connection, job)
    require(changed, job, "cancelled", "queued, running or delivering")
    parts.queue.cancel(job)
    return again(parts, job)


def retry(parts: Parts, job: Job, by: str) -> Job:
    """From the step that failed: a job whose results exist is only delivered once more."""
    if not parts.dispatch.again(job):
        anew: dict[str, Any] = {"expect": ("failed", "cancelled"), "reasons": [], "crashes": 0}
        changed = parts.queue.next_attempt(job, delay_s=0, **anew)
        require(changed, job, "retried", "failed or cancelled")
    parts.ledger.update(job.id, expect=STATES, **decision("retried", by))
    return again(parts, job)


def release(parts: Parts, job: Job, by: str) -> Job:
    """A person takes responsibility: the held result goes into Orthanc, and on to its destinations."""
    with alone(parts, job) as present:
        return release_alone(parts, present, by)


def release_alone(parts: Parts, job: Job, by: str) -> Job:
    require(job.state == "held", job, "released", "held")
    if job.stage == TO_SET_ASIDE:
        raise Conflict(f"job {job.id} is {job.stage}", remedy="ask again in some seconds")
    folder = parts.folders.held / job.id
    if not bring_back(parts.reception.orthanc, folder):
        raise not_here(parts.ledger, job)
    state = after_results(job)
    reasons = [*job.reasons, "released by a person"]
    with parts.ledger.transaction() as connection:
        going: dict[str, Any] = {"state": state, "stage": state, "reasons": reasons}
        going |= decision("released", by)
        released = parts.ledger.update_in(connection, job.id, expect=("held",), **going)
        if released:  # the same run may be under way again: what it makes is this job's now
            parts.ledger.take_over_results(connection, job.result_series_uids, job.id)
        if released and state == "delivering":
            parts.dispatch.begin(connection, job)
    require(released, again(parts, job), "released", "held")
    shutil.rmtree(folder, ignore_errors=True)
    return again(parts, job)


def reject(parts: Parts, job: Job, by: str) -> Job:
    """A person refuses the held result; it is deleted."""
    with alone(parts, job) as present:
        require(present.state == "held", present, "rejected", "held")
        reasons = [*present.reasons, "rejected by a person"]
        ended: dict[str, Any] = {"state": "cancelled", "stage": "rejected", "reasons": reasons}
        rejected = parts.ledger.update(job.id, expect=("held",), **ended, **decision("rejected", by))
        require(rejected, again(parts, job), "rejected", "held")
        # A release that broke off may have brought part of it back.
        parts.results.withdraw(present)
        shutil.rmtree(parts.folders.held / job.id, ignore_errors=True)
    return again(parts, job)


@contextmanager
def alone(parts: Parts, job: Job) -> Iterator[Job]:
    """The job as it is now, while nobody else moves its results; Conflict if somebody goes on doing so."""
    with parts.results.alone(job, within_s=PATIENCE_S) as present:
        if present is None:
            raise Conflict(f"the results of job {job.id} are being moved", remedy="ask again in some seconds")
        yield present


def not_here(ledger: Ledger, job: Job) -> Conflict:
    """Of nodes that share a database each has its own held results."""
    if ledger.engine.dialect.name == "postgresql":
        where = "ask the node that ran the job; if none has it, run the series again"
        return Conflict(f"the held result of job {job.id} is not on this node", remedy=where)
    gone = "retry is not possible; run the series again"
    return Conflict(f"the held result of job {job.id} is gone", remedy=gone)


def require(condition: bool, job: Job, done: str, states: str) -> None:
    if not condition:
        raise Conflict(f"job {job.id} is {job.state}", remedy=f"only a job that is {states} can be {done}")


def again(parts: Parts, job: Job) -> Job:
    return parts.ledger.job(job.id) or job
