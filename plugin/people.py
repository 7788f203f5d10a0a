"""What people do to jobs: run now, cancel, retry, release, reject. Each checks the state it needs, and says
so.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from typing import Any

from plugin.ledger import Job
from plugin.orthanc_ends import bring_back
from plugin.parts import Parts
from plugin.rest_errors import Conflict, NotFound, Unacceptable


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
    series_orthanc_id = parts.reception.orthanc.find_series(series_uid)
    if series_orthanc_id is None:
        raise NotFound(f"Orthanc has no series {series_uid!r}", remedy="send the series first")
    job, new = parts.reception.run_now(series_orthanc_id, pipeline, again=wanted.get("force") is True)
    parts.wake_workers()
    return job, new


def cancel(parts: Parts, job: Job) -> Job:
    changed = parts.ledger.update(
        job.id, expect=("queued", "running"), state="cancelled", stage="cancelled", finished=time.time()
    )
    require(changed, job, "cancelled", "queued or running")
    parts.queue.cancel(job)
    return again(parts, job)


def retry(parts: Parts, job: Job) -> Job:
    changed = parts.queue.next_attempt(job, expect=("failed", "cancelled"), reasons=[], delay_s=0)
    require(changed, job, "retried", "failed or cancelled")
    parts.wake_workers()
    return again(parts, job)


def release(parts: Parts, job: Job) -> Job:
    """A person takes responsibility: the held result goes into Orthanc."""
    require(job.state == "held", job, "released", "held")
    folder = parts.folders.held / job.id
    bring_back(parts.reception.orthanc, folder)
    parts.ledger.update(
        job.id, expect=("held",), state="done", stage="done", reasons=[*job.reasons, "released by a person"]
    )
    shutil.rmtree(folder, ignore_errors=True)
    return again(parts, job)


def reject(parts: Parts, job: Job) -> Job:
    """A person refuses the held result; it is deleted."""
    require(job.state == "held", job, "rejected", "held")
    shutil.rmtree(parts.folders.held / job.id, ignore_errors=True)
    parts.ledger.update(
        job.id,
        expect=("held",),
        state="cancelled",
        stage="rejected",
        reasons=[*job.reasons, "rejected by a person"],
    )
    return again(parts, job)


def require(condition: bool, job: Job, done: str, states: str) -> None:
    if not condition:
        raise Conflict(f"job {job.id} is {job.state}", remedy=f"only a job that is {states} can be {done}")


def again(parts: Parts, job: Job) -> Job:
    return parts.ledger.job(job.id) or job
