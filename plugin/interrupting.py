"""Watches a job while it runs, so that a cancel and the time limit reach even an inference that reports
nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.errors import JobInterrupted, OrthogenError
from pipelines.pipeline import Pipeline
from plugin.hand_over import end_now
from plugin.ledger import Job, Ledger
from plugin.meanwhile import meanwhile

LOOK_EVERY_S = 0.5
DEAF_S = 60.0
"""A run that does not end so long after it was interrupted takes its worker with it."""

log = logging.getLogger(__name__)


class TookTooLong(OrthogenError):
    """The run was ended at its time limit."""


@contextmanager
def interrupted_in_time(pipeline: Pipeline, ledger: Ledger, job: Job, limit_s: float) -> Iterator[None]:
    """Interrupts the pipeline's stream once the job is no longer this process's to run, or at `limit_s`.

    Raises:
        TookTooLong: in the place of JobInterrupted, when it was the limit.
    """
    watch = Watch(pipeline, ledger, job, limit_s, time.monotonic())
    try:
        with meanwhile(watch.look, every_s=min(LOOK_EVERY_S, limit_s), name="job-watch"):
            yield
    except JobInterrupted as interrupted:
        if watch.is_lost():
            raise
        remedy = f"raise TimeLimitSeconds, or TimeLimits of {job.pipeline}, if it needs more"
        raise TookTooLong(f"it ran longer than its limit of {limit_s:g} s", remedy=remedy) from interrupted


@dataclass(frozen=True)
class Watch:
    """Of one run."""

    pipeline: Pipeline
    ledger: Ledger
    job: Job
    limit_s: float
    began: float

    def look(self) -> None:
        """Interrupts again each time: what has not begun its inference yet would miss the first."""
        over_s = time.monotonic() - self.began - self.limit_s
        if over_s > 0 or self.is_lost():
            self.pipeline.interrupt()
        if over_s > DEAF_S:
            log.error("job %s does not end at its time limit: this process does", self.job.id)
            end_now(4)

    def is_lost(self) -> bool:
        return not self.ledger.is_held(self.job)
