"""Jobs into the queue: the ledger's row and DBOS's row in one transaction, by a key that is the series'
content.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions

from pipelines.catalog import Catalog, CatalogEntry, with_gate
from plugin.ended import ACTIVE, Seldom, ended_among
from plugin.json_rows import JsonRows
from plugin.ledger import FurtherSeries, Instances, Job, Ledger
from plugin.routing.orders import Order

APPLICATION = "orthogen"
APPLICATION_VERSION = "1"
"""Changes only when the order of a workflow's steps changes, or an upgrade would strand queued jobs."""
INFERENCE_QUEUE = "inference"
WORKFLOW = "run_job"
PRIORITIES = {"stat": 1, "high": 5, "routine": 10}
"""DBOS: lower is sooner, and leaving it out would mean 0, sooner than STAT."""
ALL = 1_000_000
LOST_ENDS_ALLOWED = 10
LOOK_AT_QUEUED_EVERY_S = 60.0
JOB_NAMESPACE = uuid.UUID("6f1a9a53-55c7-4f0c-9b0c-0f6d2b7a7a10")


@dataclass(frozen=True)
class CompleteSeries:
    """A series at the moment it was judged complete."""

    series_orthanc_id: str
    study_instance_uid: str
    series_instance_uid: str
    instances: Instances
    further: tuple[FurtherSeries, ...] = ()
    """What else of the study the pipeline takes."""

    @property
    def content_sha256(self) -> str:
        every = [self.instances, *(other.instances for other in self.further)]
        return content_sha256(uid for instances in every for uid, _ in instances)


def content_sha256(sop_instance_uids: Iterable[str]) -> str:
    """What a series holds, as one digest: order and Orthanc's ids do not matter."""
    return hashlib.sha256("\n".join(sorted(sop_instance_uids)).encode("ascii")).hexdigest()


def job_key(series: CompleteSeries, entry: CatalogEntry, mode: str, output: str = "classic") -> str:
    """The same content by the same pipeline version, model and configuration is the same job."""
    manifest = entry.manifest
    digests = [series.content_sha256, entry.model_sha256, entry.config_sha256]
    parts = [*digests, manifest.name, manifest.version, mode]
    parts += [output] if output != "classic" else []
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


def entry_of(catalog: Catalog, order: Order) -> CatalogEntry:
    """The order's pipeline, under the limits of its gate that the rule names."""
    return with_gate(catalog[order.pipeline], order.gate)


class Queue:
    """Where jobs are put for the workers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._client = DBOSClient(
            system_database_engine=ledger.engine, serializer=JsonRows(), application_name=APPLICATION
        )
        self._look_at_queued = Seldom(LOOK_AT_QUEUED_EVERY_S)

    def submit(
        self,
        connection: sa.Connection,
        series: CompleteSeries,
        order: Order,
        entry: CatalogEntry,
        *,
        again: bool,
    ) -> tuple[Job, bool]:
        """The job for this content, and whether it is new; `again` makes a new one even if it was done
        before. `entry`: with the limits of the order's gate (`entry_of`).
        """
        key = job_key(series, entry, order.mode, order.output)
        earlier = self._ledger.with_key(connection, key)
        if earlier is not None and not again:
            if earlier.state == "failed":  # what a person cancelled stays cancelled
                return self._once_more(connection, earlier), True
            return earlier, False
        job = _new_job(key, series, order, entry, nonce=earlier.id if earlier else "")
        self._ledger.add(connection, job)
        self.enqueue(job, connection, delay_s=_seconds_until(order.not_before))
        return job, True

    def _once_more(self, connection: sa.Connection, job: Job) -> Job:
        """What failed is tried again when the content comes again."""
        following = replace(job, attempts=job.attempts + 1, state="queued")
        anew = {**_begun_anew(), "attempts": following.attempts, "reasons": [], "crashes": 0}
        expect = (job.state,)
        if not self._ledger.update_in(connection, job.id, expect=expect, attempt=job.attempts, **anew):
            return job  # a person was faster
        self.enqueue(following, connection)
        return following

    def enqueue(self, job: Job, connection: sa.Connection, *, delay_s: float = 0.0) -> None:
        """Hands the job's present attempt to the workers; doing so twice is the same as once."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": INFERENCE_QUEUE,
            "workflow_id": workflow_id(job.id, job.attempts),
            "app_version": APPLICATION_VERSION,
            "priority": PRIORITIES[job.priority],
        }
        if delay_s:
            options["delay_seconds"] = delay_s
        else:
            self._ledger.call(connection, INFERENCE_QUEUE)
        self._client.enqueue_in_transaction(connection, options, job.id, job.attempts)

    def next_attempt(
        self,
        job: Job,
        *,
        expect: Sequence[str],
        reasons: Sequence[str],
        delay_s: float,
        holder: str | None = None,
        crashes: int | None = None,
    ) -> bool:
        """The job once more, later; False, and nothing changed, if it is no longer as expected (and still
        held by the holder). `crashes`: begins to count anew from there.
        """
        following = replace(job, attempts=job.attempts + 1)
        waiting = _begun_anew()
        waiting |= {} if crashes is None else {"crashes": crashes}
        with self._ledger.transaction() as connection:
            changed = self._ledger.update_in(
                connection,
                job.id,
                expect=expect,
                attempt=job.attempts,
                holder=holder,
                attempts=following.attempts,
                reasons=list(reasons),
                **waiting,
            )
            if changed:
                self.enqueue(following, connection, delay_s=delay_s)
        return changed

    def cancel(self, job: Job) -> None:
        """Takes the job's workflow away from the workers; a running one stops at its next progress report."""
        self._client.cancel_workflow(workflow_id(job.id, job.attempts))

    def forget(self, workflow_ids: Sequence[str]) -> None:
        """Deletes what the queue keeps of workflows that have ended."""
        self._client.delete_workflows(list(workflow_ids))

    def resume(self) -> None:
        """After a start: what is queued is surely in the queue, what was left between two states goes on."""
        waiting = self._client.list_workflows(
            status=list(ACTIVE), queue_name=INFERENCE_QUEUE, load_input=False, load_output=False
        )
        there = {workflow.workflow_id for workflow in waiting}
        for job in self._ledger.jobs(state="queued", limit=ALL):
            if workflow_id(job.id, job.attempts) not in there:
                with self._ledger.transaction() as connection:
                    self.enqueue(job, connection)
        self.mend()

    def mend(self) -> None:
        """A job that nobody runs any more goes on."""
        for job in self._ledger.jobs(state="running", limit=ALL):
            if self._status(job) not in ACTIVE:
                self._go_on(job, "its end was lost")
        if self._look_at_queued.is_due():
            self._mend_queued()

    def _mend_queued(self) -> None:
        """Those whose workflow ended before it took the job: by an error of the database, say."""
        attempts = {workflow_id(*queued): queued for queued in self._ledger.queued_attempts()}
        for ended in ended_among(self._client, list(attempts)):
            job_id, attempt = attempts[ended]
            job = self._ledger.job(job_id)
            if job is not None and (job.state, job.attempts) == ("queued", attempt):
                self._go_on(job, "its turn was lost")

    def _go_on(self, job: Job, lost: str) -> None:
        if job.attempts >= LOST_ENDS_ALLOWED:
            self._fail(job, f"{lost} at attempt {job.attempts}; it is set aside")
        else:
            self.next_attempt(job, expect=(job.state,), reasons=[f"{lost}; once more"], delay_s=0)

    def _fail(self, job: Job, reason: str) -> None:
        ended: dict[str, Any] = {"state": "failed", "stage": "failed", "reasons": [reason]}
        ended["finished"] = time.time()
        self._ledger.update(job.id, expect=(job.state,), attempt=job.attempts, **ended)

    def _status(self, job: Job) -> str | None:
        found = self._client.list_workflows(
            workflow_ids=[workflow_id(job.id, job.attempts)], load_input=False, load_output=False
        )
        return found[0].status if found else None


def _begun_anew() -> dict[str, Any]:
    """Columns of a job that waits for another attempt: what an earlier one found is not said of this one."""
    began: dict[str, Any] = {"state": "queued", "stage": "queued", "progress": 0.0, "finished": None}
    return {**began, "verdict": None, "figures": {}}


def _seconds_until(moment: datetime | None) -> float:
    return max(0.0, moment.timestamp() - time.time()) if moment else 0.0


def workflow_id(job_id: str, attempt: int) -> str:
    return f"{job_id}#{attempt}"


def _new_job(key: str, series: CompleteSeries, order: Order, entry: CatalogEntry, nonce: str) -> Job:
    columns: dict[str, Any] = {
        "mode": order.mode,
        "on_hold": order.on_hold,
        "priority": order.priority,
        "send_to": order.send_to,
        "companions": order.companions,
        "output": order.output,
        "gate": dict(order.gate),
    }
    return Job(
        id=str(uuid.uuid5(JOB_NAMESPACE, key + nonce)),
        key=key,
        state="queued",
        pipeline=entry.manifest.name,
        pipeline_version=entry.manifest.version,
        rule=", ".join(order.rules),
        study_instance_uid=series.study_instance_uid,
        source_series_uid=series.series_instance_uid,
        series_orthanc_id=series.series_orthanc_id,
        instances=series.instances,
        further=series.further,
        created=time.time(),
        **columns,
    )
