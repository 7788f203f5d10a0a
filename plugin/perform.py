"""One attempt at one job, from the ledger's row to its end in the ledger."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipelines.catalog import Catalog, with_gate
from pipelines.errors import JobInterrupted, OrthogenError, PassingTrouble, Refused
from pipelines.warm import WarmPipelines
from plugin.database import NoAnswer
from plugin.delivery.dispatch import Dispatch, after_results
from plugin.drift.figures import Measured, note
from plugin.folders import Folders
from plugin.holding import claim, is_lost
from plugin.identity import Request, run_identity
from plugin.interrupting import interrupted_in_time
from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import OrthancEnds
from plugin.orthanc_rest import OrthancRest
from plugin.own_results import PATIENT, TO_SET_ASIDE, OwnResults, copy_aside
from plugin.run_job import Outcome, run_job
from plugin.settings import Settings
from plugin.space import NO_ROOM, NoSpace, Space, no_space_in
from plugin.submit import Queue

RETRY_GROWTH = 4.0
LONGEST_RETRY_S = 3600.0
TAKEN_OVER = "taken over"
ASK_AGAIN_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Performer:
    """What a worker keeps between jobs: connections, and warm sessions."""

    name: str
    """Of this process, as the holder of its jobs."""
    results: OwnResults
    queue: Queue
    dispatch: Dispatch
    catalog: Catalog
    settings: Settings
    folders: Folders
    is_at_node: bool
    """Whether those folders are the node's, where people look for what is held."""
    space: Space
    """Below its floor no new job is begun."""
    pipelines: WarmPipelines

    @property
    def orthanc(self) -> OrthancRest:
        return self.results.orthanc

    @property
    def ledger(self) -> Ledger:
        return self.results.ledger

    def warm(self) -> None:
        """Opens every pipeline a rule names, so that the first study does not wait for it."""
        for rule in self.settings.rules:
            self.pipelines.get(self.catalog[rule.pipeline])

    def perform(self, job_id: str, attempt: int) -> str:
        """Runs the attempt and writes its end; returns the job's state as the worker left it.

        While the database does not answer it waits: only that one knows whose the job is by now.
        """
        while True:
            try:
                return self._perform(job_id, attempt)
            except NoAnswer as error:
                log.warning("job %s: %s", job_id, error)
            ended = self._after_silence(job_id, attempt)
            if ended is not None:
                return ended

    def _after_silence(self, job_id: str, attempt: int) -> str | None:
        """None if the attempt was not begun, and is still to be run: nobody else would."""
        while True:
            time.sleep(ASK_AGAIN_S)
            with suppress(NoAnswer):
                job = self.ledger.job(job_id)
                waits = job is not None and (job.state, job.attempts) == ("queued", attempt)
                return None if waits else self._broken_off(job)

    def _broken_off(self, job: Job | None) -> str:
        if job is None or job.holder != self.name or job.state != "running":
            return "superseded" if job is None else self._interrupted(job)
        return self._try_again(job, "the database did not answer")

    def _perform(self, job_id: str, attempt: int) -> str:
        job = claim(self.ledger, job_id, attempt, self.name)
        if job is None:
            return "superseded"
        try:
            return self._finish(job, self._run(job))
        except JobInterrupted:
            return self._interrupted(job)
        except Refused as refusal:
            return self._fail(job, [f"refused ({refusal.reason}): {refusal}"])
        except NoSpace as full:
            raise self._waiting(job, full) from full
        except NoAnswer:
            raise
        except PassingTrouble as trouble:
            return self._try_again(job, str(trouble))
        except OrthogenError as error:
            return self._fail(job, [str(error)])
        except Exception as error:
            if no_room := no_space_in(error):
                raise self._waiting(job, no_room) from error
            log.exception("job %s: attempt %d broke off", job_id, attempt)
            return self._try_again(job, "an unexpected error; the worker's log has it under the job's id")

    def _run(self, job: Job) -> Outcome:
        pipeline = self.pipelines.get(with_gate(self.catalog[job.pipeline], job.gate))
        request = Request(job.id, job.rule, job.created, seed=pipeline.entry.manifest.seed)
        identity = run_identity(pipeline, request, self.settings)
        ends = OrthancEnds(self.results, job, self.folders)
        with interrupted_in_time(pipeline, self.ledger, job, self.settings.time_limit_s(job.pipeline)):
            return run_job(ends.inputs(), pipeline, identity, ends.ends(), job.companions, job.output)

    def _finish(self, job: Job, outcome: Outcome) -> str:
        if outcome.verdict.level == "HOLD" and job.on_hold != "release" and job.mode == "live":
            with self.results.alone(job, within_s=PATIENT):
                ended = self._take_out(job, outcome)
        else:
            state = after_results(job)
            ended = self._end(job, outcome, state, state)
        return ended or self._interrupted(job)

    def _take_out(self, job: Job, outcome: Outcome) -> str | None:
        """Nothing of it stays in Orthanc but what is another job's. The end is written under the same lock:
        of two that have made the same, the later one must see that the other is over.
        """
        if not self.ledger.is_held(job):
            return None
        state = stage = "held" if job.on_hold == "keep" else "failed"
        if state == "held" and not self.is_at_node:
            return self._end(job, outcome, state, TO_SET_ASIDE)
        if state == "held":
            copy_aside(self.orthanc, outcome.result_series_uids, self.folders.held / job.id)
        self.results.withdraw(job)
        return self._end(job, outcome, state, stage)

    def _end(self, job: Job, outcome: Outcome, state: str, stage: str) -> str | None:
        """The state that is written; None if the job is no longer ours."""
        verdict = outcome.verdict
        with self.ledger.transaction() as connection:
            ended = self.ledger.update_held_in(
                connection,
                job,
                state=state,
                stage=stage,
                progress=1.0,
                verdict=verdict.level,
                reasons=[*verdict.reasons, *outcome.warnings],
                figures={**verdict.figures, "clipped_voxels": float(outcome.clipped_voxels)},
                finished=None if state == "delivering" else time.time(),
            )
            if ended:
                if job.mode == "live" and state not in ("held", "failed"):
                    self.ledger.take_over_results(connection, outcome.result_series_uids, job.id)
                note(connection, job.id, self._measured(job, outcome))
            if ended and state == "delivering":
                self.dispatch.begin(connection, job)
        return state if ended else None

    def _measured(self, job: Job, outcome: Outcome) -> Measured:
        model, figures = self.catalog[job.pipeline].model_sha256, outcome.verdict.figures
        version = job.pipeline_version
        return Measured(time.time(), job.pipeline, version, model, outcome.origin, figures)

    def _waiting(self, job: Job, full: NoSpace) -> NoSpace:
        """A full disk costs no attempt: the worker waits, and begins this one anew once there is room."""
        with suppress(NoSpace):
            waiting: dict[str, Any] = {"stage": NO_ROOM, "reasons": [str(full)]}
            self.ledger.update_held(job, **waiting)
        log.warning("job %s waits for room on a disk", job.id)
        return full

    def _interrupted(self, job: Job) -> str:
        """Where the job has ended without a result nothing half-made stays, nor what came late. Where another
        process has it by now, that one writes the same objects.
        """
        log.warning("job %s is no longer this worker's: it writes nothing more of it", job.id)
        with self.results.alone(job, within_s=PATIENT) as present:
            if present is not None and has_no_result(present):
                self.results.withdraw(present)
        lost = is_lost(self.ledger, job.id, job.attempts, self.name)
        return TAKEN_OVER if lost else "interrupted"

    def _fail(self, job: Job, reasons: list[str]) -> str:
        ended: dict[str, Any] = {"state": "failed", "stage": "failed", "reasons": reasons}
        with self.results.alone(job, within_s=PATIENT):
            if held := self.ledger.is_held(job):
                self.results.withdraw(job)
            ended |= {"result_series_uids": [], "finished": time.time()}
            failed = held and self.ledger.update_held(job, **ended)
        if not failed:
            return self._interrupted(job)
        log.warning("job %s failed: %s", job.id, "; ".join(reasons))
        return "failed"

    def _try_again(self, job: Job, reason: str) -> str:
        if job.attempts >= self.settings.maximum_attempts:
            return self._fail(job, [f"given up after {job.attempts} attempts: {reason}"])
        delay_s = min(self.settings.retry_seconds * RETRY_GROWTH ** (job.attempts - 1), LONGEST_RETRY_S)
        waiting = f"attempt {job.attempts} failed: {reason}; the next one starts in {delay_s:.0f} s"
        queued = self.queue.next_attempt(
            job, expect=("running",), holder=job.holder, reasons=[waiting], delay_s=delay_s
        )
        return "queued" if queued else self._interrupted(job)


def has_no_result(job: Job) -> bool:
    """Whether nothing of it may be in Orthanc. (With a verdict, the result was whole, and what became of it
    was decided.)"""
    if job.state == "held":
        return job.stage != TO_SET_ASIDE  # they are there until the node has moved them
    return job.state in ("cancelled", "failed") and job.verdict is None
