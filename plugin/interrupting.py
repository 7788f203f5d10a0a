"""Watches the ledger while a job runs, so that a cancel reaches even an inference that reports nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.pipeline import Pipeline
from plugin.ledger import Job, Ledger

LOOK_EVERY_S = 0.5


@contextmanager
def interrupted_when_lost(pipeline: Pipeline, ledger: Ledger, job: Job) -> Iterator[None]:
    """Interrupts the pipeline's stream once the job is no longer this attempt's to run."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            present = ledger.job(job.id)
            if present is None or present.state != "running" or present.attempts != job.attempts:
                pipeline.interrupt()
                return

    watcher = threading.Thread(target=watch, name="cancel-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
