"""From the moment a job is put into the queue to the one when a worker has it: on SQLite and on PostgreSQL,
with an idle worker, and for an urgent job behind 5,000 routine ones.

The queue, the ledger, the wake-up and the worker process are the node's own; only the work itself is left out
(a job takes 20 ms). Run it on a quiet machine: `python -m bench.enqueue`.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dbos import DBOS

from plugin.database import database_url, open_engine, prepare_database
from plugin.door.supervise import Child
from plugin.durable import Executor
from plugin.hand_over import HandOver
from plugin.holding import claim
from plugin.ledger import Job, Ledger
from plugin.run_child import run_child
from plugin.settings import REPOSITORY, Settings
from plugin.submit import INFERENCE_QUEUE, WORKFLOW, Queue
from tests.node.a_postgres import APostgres, is_installed

IDLE_JOBS, URGENT_JOBS, ROUTINE_JOBS = 60, 30, 5_000
ROUTINE_S = 0.02
GOALS_MS = {"idle": (60.0, 150.0), "stat": (200.0, 200.0)}
SEED = 3


@dataclass
class Bench:
    """A queue, and one worker that takes from it."""

    ledger: Ledger
    queue: Queue
    worker: Child
    number: int = 0

    def enqueue(self, priority: str, count: int = 1) -> list[str]:
        """The jobs' ids; all are committed when this returns."""
        with self.ledger.transaction() as connection:
            jobs = [self._new(priority) for _ in range(count)]
            for job in jobs:
                self.ledger.add(connection, job)
                self.queue.enqueue(job, connection)
        return [job.id for job in jobs]

    def start_of(self, job_id: str) -> float:
        """When a worker had it; seconds since 1970, by the clock of this machine, which both share."""
        while True:
            job = self.ledger.job(job_id)
            if job is not None and job.started is not None:
                return job.started
            time.sleep(0.02)

    def measured_ms(self, priority: str, count: int, chance: random.Random) -> list[float]:
        """From before the transaction to the start, for jobs one after the other, with pauses between."""
        found = []
        for _ in range(count):
            time.sleep(chance.uniform(0.05, 0.25))
            begun = time.time()
            (job_id,) = self.enqueue(priority)
            found.append((self.start_of(job_id) - begun) * 1000)
        return found

    def _new(self, priority: str) -> Job:
        self.number += 1
        name = f"bench-{self.number}"
        columns = {"mode": "live", "on_hold": "keep", "priority": priority, "send_to": ()}
        return Job(
            id=name,
            key=name,
            state="queued",
            pipeline="bench",
            pipeline_version="1",
            rule="",
            study_instance_uid="1.2",
            source_series_uid="1.2.3",
            series_orthanc_id="",
            instances=(),
            created=time.time(),
            **columns,  # type: ignore[arg-type]
        )


def main() -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        missed += measure("SQLite", "sqlite", Path(folder))
    if not is_installed():
        print("PostgreSQL: not installed (`make test` does that), so not measured")
        return missed
    with tempfile.TemporaryDirectory() as folder, APostgres() as postgres:
        missed += measure("PostgreSQL", postgres.fresh_database(), Path(folder))
    return missed


def measure(name: str, database: str, folder: Path) -> int:
    chance = random.Random(SEED)
    with bench(database, folder) as running:
        idle = running.measured_ms("routine", IDLE_JOBS, chance)
        idle_cpu = cpu_share(running.worker.pid or 0, 3.0)
        running.enqueue("routine", ROUTINE_JOBS)
        stat = running.measured_ms("stat", URGENT_JOBS, chance)
        waiting = running.ledger.counts()["queued"]
    print(f"{name}: an idle worker uses {idle_cpu:.1%} of a core")
    return report(name, "idle", idle) + report(name, f"stat behind {waiting} to {ROUTINE_JOBS} routine", stat)


def report(name: str, what: str, latencies_ms: Sequence[float]) -> int:
    median, p99 = float(np.median(latencies_ms)), float(np.quantile(latencies_ms, 0.99))
    goals = GOALS_MS[what.split()[0]]
    within = median < goals[0] and p99 < goals[1]
    print(
        f"{name}: enqueue to start, {what}: median {median:.0f} ms, p99 {p99:.0f} ms of {len(latencies_ms)}"
        f" (goals {goals[0]:.0f} and {goals[1]:.0f}: {'met' if within else 'missed'})"
    )
    return 0 if within else 1


def cpu_share(pid: int, over_s: float) -> float:
    """Of one core, in user and kernel, while nothing happens."""
    before = cpu_s(pid)
    time.sleep(over_s)
    return (cpu_s(pid) - before) / over_s


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def bench(database: str, folder: Path) -> Iterator[Bench]:
    url = database_url(database, folder)
    prepare_database(url)
    hand_over = HandOver("", None, str(folder), "BENCH", {"Database": database})
    command = [sys.executable, "-m", "bench.enqueue", "worker"]
    worker = Child(command, str(REPOSITORY), hand_over.line(), print)
    ledger = Ledger(open_engine(url), lambda _calls: worker.wake())
    worker.start()
    try:
        while not worker.ready:
            time.sleep(0.05)
        yield Bench(ledger, Queue(ledger), worker)
    finally:
        worker.stop()
        ledger.engine.dispose()


def serve(_hand_over: HandOver, _settings: Settings, executor: Executor) -> None:
    """The worker's: as plugin.worker, but for the work."""

    @DBOS.step(name="perform")
    def perform(job_id: str, attempt: int) -> str:
        job = claim(executor.ledger, job_id, attempt, executor.name)
        if job is not None:
            time.sleep(ROUTINE_S)
            executor.ledger.update_held(job, state="done", stage="done", finished=time.time())
        executor.bell.ring()
        return "done"

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
    def run(job_id: str, attempt: int) -> str:
        return perform(job_id, attempt)

    executor.launch().take_from({INFERENCE_QUEUE: 1})


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        run_child("worker", INFERENCE_QUEUE, serve)
    sys.exit(main())
