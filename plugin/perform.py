"""One attempt at one job, from the ledger's row to its end in the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.catalog import Catalog
from pipelines.errors import JobInterrupted, OrthogenError, PassingTrouble, Refused
from pipelines.warm import WarmPipelines
from plugin.delivery.dispatch import Dispatch, after_results
from plugin.folders import Folders
from plugin.identity import Request, run_identity
from plugin.interrupting import interrupted_when_lost
from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import OrthancEnds, set_aside, withdraw
from plugin.orthanc_rest import OrthancRest
from plugin.run_job import Outcome, run_job
from plugin.settings import Settings
from plugin.submit import Queue

RETRY_GROWTH = 4.0
LONGEST_RETRY_S = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Performer:
    """What a worker keeps between jobs: connections, and warm sessions."""

    orthanc: OrthancRest
    ledger: Ledger
    queue: Queue
    dispatch: Dispatch
    catalog: Catalog
    settings: Settings
    folders: Folders
    pipelines: WarmPipelines

    def warm(self) -> None:
        """Opens every pipeline a rule names, so that the first study does not wait for it."""
        for rule in self.settings.rules:
            self.pipelines.get(self.catalog[rule.pipeline])

    def perform(self, job_id: str, attempt: int) -> str:
        """Runs the attempt and writes its end; returns the job's state as the worker left it."""
        job = self.ledger.job(job_id)
        if job is None or not self._claim(job, attempt):
            return "superseded"
        try:
            return self._finish(job, self._run(job))
        except JobInterrupted:
            return self._interrupted(job)
        except Refused as refusal:
            return self._fail(job, [f"refused ({refusal.reason}): {refusal}"])
        except PassingTrouble as trouble:
            return self._try_again(job, str(trouble))
        except OrthogenError as error:
            return self._fail(job, [str(error)])
        except Exception:
            log.exception("job %s: attempt %d broke off", job_id, attempt)
            return self._try_again(job, "an unexpected error; the worker's log has it under the job's id")

    def _claim(self, job: Job, attempt: int) -> bool:
        return job.attempts == attempt and self.ledger.update(
            job.id,
            expect=("queued", "running"),
            attempt=attempt,
            state="running",
            stage="fetch",
            started=time.time(),
        )

    def _run(self, job: Job) -> Outcome:
        pipeline = self.pipelines.get(self.catalog[job.pipeline])
        request = Request(job.id, job.rule, job.created, seed=pipeline.entry.manifest.seed)
        identity = run_identity(pipeline, request, self.settings)
        ends = OrthancEnds(self.orthanc, self.ledger, job, self.folders)
        with interrupted_when_lost(pipeline, self.ledger, job):
            return run_job(ends.inputs(), pipeline, identity, ends.ends(), job.companions, job.output)

    def _finish(self, job: Job, outcome: Outcome) -> str:
        verdict = outcome.verdict
        state = after_results(job)
        if verdict.level == "HOLD" and job.on_hold != "release" and job.mode == "live":
            state = "held" if job.on_hold == "keep" else "failed"
            self._take_out(job, outcome.result_series_uids)
        with self.ledger.transaction() as connection:
            ended = self.ledger.update_in(
                connection,
                job.id,
                expect=("running",),
                attempt=job.attempts,
                state=state,
                stage=state,
                progress=1.0,
                verdict=verdict.level,
                reasons=[*verdict.reasons, *outcome.warnings],
                figures={**verdict.figures, "clipped_voxels": float(outcome.clipped_voxels)},
                finished=None if state == "delivering" else time.time(),
            )
            if ended and state == "delivering":
                self.dispatch.begin(connection, job)
        return state if ended else self._interrupted(job)

    def _take_out(self, job: Job, result_series_uids: Sequence[str]) -> None:
        if job.on_hold == "keep":
            set_aside(self.orthanc, result_series_uids, self.folders.held / job.id)
        else:
            withdraw(self.orthanc, result_series_uids)

    def _interrupted(self, job: Job) -> str:
        """Cancelled: nothing half-made stays. Taken over: whoever has the job now writes the same objects."""
        present = self.ledger.job(job.id)
        if present is not None and present.state == "cancelled" and present.attempts == job.attempts:
            withdraw(self.orthanc, self.ledger.own_results(present))
        return "interrupted"

    def _fail(self, job: Job, reasons: list[str]) -> str:
        present = self.ledger.job(job.id)
        if present is not None and present.attempts == job.attempts:
            withdraw(self.orthanc, self.ledger.own_results(present))
        self.ledger.update(
            job.id,
            expect=("running",),
            attempt=job.attempts,
            state="failed",
            stage="failed",
            reasons=reasons,
            result_series_uids=[],
            finished=time.time(),
        )
        log.warning("job %s failed: %s", job.id, "; ".join(reasons))
        return "failed"

    def _try_again(self, job: Job, reason: str) -> str:
        if job.attempts >= self.settings.maximum_attempts:
            return self._fail(job, [f"given up after {job.attempts} attempts: {reason}"])
        delay_s = min(self.settings.retry_seconds * RETRY_GROWTH ** (job.attempts - 1), LONGEST_RETRY_S)
        waiting = f"attempt {job.attempts} failed: {reason}; the next one starts in {delay_s:.0f} s"
        self.queue.next_attempt(job, expect=("running",), reasons=[waiting], delay_s=delay_s)
        return "queued"
