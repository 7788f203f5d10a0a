"""Who lives, who is dead, and who may still write: on SQLite and on PostgreSQL."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from dbos import DBOS
from dbos._queue import queue_worker_thread

from plugin import server_line
from plugin.database import NoAnswer, database_url, is_shared, open_engine, prepare_database
from plugin.holding import CRASHES_ALLOWED, claim, is_lost, lay_down, take_from_dead
from plugin.ledger import Job, Ledger
from plugin.life_signs import FileLocks, LifeSigns
from plugin.server_line import ServerLine, ServerLocks
from plugin.submit import Queue
from plugin.tables import EXECUTORS
from tests.node.a_node import until
from tests.node.a_postgres import APostgres


@dataclass
class Shared:
    """One database, and the locks of the processes that share it."""

    database: str
    folder: Path
    ledger: Ledger

    @property
    def signs(self) -> LifeSigns:
        if is_shared(self.database):
            return ServerLocks(self.ledger.engine)
        (self.folder / "locks").mkdir(exist_ok=True)
        return FileLocks(self.folder / "locks")

    def is_dead(self, name: str) -> bool:
        with self.signs.held_if_dead(name) as dead:
            return dead

    def living(self, name: str) -> subprocess.Popen[str]:
        """Another process that lives under this name, once it says so."""
        script = f"""
import sys, threading
from pathlib import Path
from plugin.life_signs import FileLocks
from plugin.server_line import ServerLine
database, name = {self.database!r}, {name!r}
if database == "sqlite":
    lock = FileLocks(Path({str(self.folder / "locks")!r})).hold(name)
else:
    ServerLine(database, name, "elsewhere", 1, "inference", lambda: None).open()
print("lives", flush=True)
threading.Event().wait()
"""
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "lives\n"
        return process


@contextmanager
def prepared(database: str, folder: Path) -> Iterator[Shared]:
    url = database_url(database, folder)
    prepare_database(url)
    engine = open_engine(url)
    yield Shared(database, folder, Ledger(engine))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    served = request.param == "postgresql"
    database = request.getfixturevalue("postgres").fresh_database() if served else "sqlite"
    with prepared(database, tmp_path) as found:
        yield found


@pytest.fixture
def served(postgres: APostgres, tmp_path: Path) -> Iterator[Shared]:
    with prepared(postgres.fresh_database(), tmp_path) as found:
        yield found


def add_job(ledger: Ledger) -> Job:
    job = Job(
        id="job-1",
        key="key-1",
        state="queued",
        pipeline="ct-denoise",
        pipeline_version="1",
        rule="r",
        mode="live",
        on_hold="keep",
        priority="routine",
        send_to=(),
        study_instance_uid="1.2",
        source_series_uid="1.2.3",
        series_orthanc_id="abc",
        instances=(),
    )
    with ledger.transaction() as connection:
        ledger.add(connection, job)
    return job


def claimed(ledger: Ledger, holder: str) -> Job:
    job = claim(ledger, "job-1", 1, holder)
    assert job is not None
    return job


def test_a_process_is_alive_until_it_is_killed(shared: Shared) -> None:
    process = shared.living("worker-a")
    try:
        assert not shared.is_dead("worker-a")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        until(lambda: shared.is_dead("worker-a"), "the lock of the dead process", 20)
    finally:
        process.kill()
        process.communicate()


def test_a_name_that_nobody_ever_held_is_dead(shared: Shared) -> None:
    assert shared.is_dead("worker-before-the-last-power-cut")


def test_a_dead_name_is_held_by_one_process_at_a_time(shared: Shared) -> None:
    with shared.signs.held_if_dead("worker-a") as first, shared.signs.held_if_dead("worker-a") as second:
        assert (first, second) == (True, False)


def test_who_lost_a_job_can_write_nothing_about_it_any_more(shared: Shared) -> None:
    add_job(shared.ledger)
    lost = claimed(shared.ledger, "worker-a")
    assert take_from_dead(shared.ledger, "worker-a") == 0
    assert not shared.ledger.update_held(lost, stage="infer")  # even before another has it
    assert is_lost(shared.ledger, "job-1", 1, "worker-a")
    found = claimed(shared.ledger, "worker-b")
    assert not shared.ledger.update_held(lost, state="done")
    assert not shared.ledger.is_held(lost)
    assert is_lost(shared.ledger, "job-1", 1, "worker-a")
    assert shared.ledger.update_held(found, state="done")


def test_a_job_that_another_process_runs_cannot_be_claimed(shared: Shared) -> None:
    add_job(shared.ledger)
    claimed(shared.ledger, "worker-a")
    assert claim(shared.ledger, "job-1", 1, "worker-b") is None
    assert claim(shared.ledger, "job-1", 2, "worker-a") is None
    assert claim(shared.ledger, "job-1", 1, "worker-a") is not None  # begun anew by the same process


def test_a_job_whose_worker_crashed_three_times_is_set_aside(shared: Shared) -> None:
    add_job(shared.ledger)
    for crash in range(CRASHES_ALLOWED):
        claimed(shared.ledger, f"worker-{crash}")
        aside = take_from_dead(shared.ledger, f"worker-{crash}")
    assert aside == 1
    job = shared.ledger.job("job-1")
    assert job is not None
    assert (job.state, job.crashes) == ("failed", CRASHES_ALLOWED)
    assert "crashed 3 times" in job.reasons[0]


def test_a_worker_that_ends_in_good_order_has_not_crashed(shared: Shared) -> None:
    add_job(shared.ledger)
    for number in range(CRASHES_ALLOWED + 1):
        claimed(shared.ledger, f"worker-{number}")
        lay_down(shared.ledger, f"worker-{number}")
    job = shared.ledger.job("job-1")
    assert job is not None
    assert (job.state, job.holder, job.crashes) == ("running", None, 0)


def test_work_is_called_after_its_commit_and_never_without_one(tmp_path: Path) -> None:
    called: list[str] = []
    url = database_url("sqlite", tmp_path)
    prepare_database(url)
    ledger = Ledger(open_engine(url), called.append)
    with suppress(ZeroDivisionError), ledger.transaction() as connection:
        ledger.call(connection, "inference")
        raise ZeroDivisionError
    with ledger.transaction():
        pass
    assert called == []
    with ledger.transaction() as connection:
        ledger.call(connection, "inference")
        assert called == []
    assert called == ["inference"]


# what only a server can do


def opened(served: Shared) -> tuple[ServerLine, threading.Event]:
    rung = threading.Event()
    line = ServerLine(served.database, "inference-a", "here", 1, "inference", rung.set)
    line.open()
    until(rung.is_set, "the ring at the start")
    rung.clear()
    return line, rung


def test_a_call_reaches_those_on_other_machines_whom_it_concerns(served: Shared) -> None:
    _, rung = opened(served)
    with served.ledger.transaction() as connection:
        served.ledger.call(connection, "inference")
    assert rung.wait(30)


def test_a_line_that_the_server_dropped_is_taken_up_again_and_not_believed_at_once(
    served: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_line, "STEADY_AFTER_S", 5.0)
    line, rung = opened(served)
    until(lambda: line.is_steady, "a line that is believed")
    rung.clear()
    with psycopg.connect(line.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'orthogen line' AND datname = current_database()"
        )
    assert rung.wait(30)
    assert not line.is_steady
    assert not served.is_dead(line.name)


def test_a_process_that_holds_its_lock_but_shows_no_heartbeat_counts_as_dead(served: Shared) -> None:
    process = served.living("worker-a")
    try:
        until(lambda: _seen(served.ledger, "worker-a"), "a heartbeat")
        process.send_signal(signal.SIGSTOP)
        with served.ledger.transaction() as connection:
            connection.execute(sa.update(EXECUTORS).values(seen=EXECUTORS.c.seen - 3600))
        assert "worker-a" in served.signs.suspects()
        until(lambda: served.is_dead("worker-a"), "the lock of the process that hangs", 20)
        assert _seen(served.ledger, "worker-a") is None
    finally:
        process.kill()
        process.communicate()


def _seen(ledger: Ledger, name: str) -> float | None:
    with ledger.engine.connect() as connection:
        query = sa.select(EXECUTORS.c.seen).where(EXECUTORS.c.name == name)
        return connection.execute(query).scalar_one_or_none()


def test_a_retry_begins_to_count_crashes_anew(shared: Shared) -> None:
    job = add_job(shared.ledger)
    shared.ledger.update("job-1", expect=("queued",), state="failed", crashes=CRASHES_ALLOWED)
    changed = Queue(shared.ledger).next_attempt(
        replace(job, state="failed"), expect=("failed",), reasons=[], delay_s=0, crashes=0
    )
    again = shared.ledger.job("job-1")
    assert changed
    assert again is not None
    assert (again.state, again.attempts, again.crashes) == ("queued", 2, 0)


# what DBOS must keep for us


def test_dbos_still_has_the_inner_calls_that_wake_and_adopt_lean_on() -> None:
    assert list(inspect.signature(queue_worker_thread).parameters) == ["stop_event", "dbos", "queue"]
    source = inspect.getsource(queue_worker_thread)
    assert "stop_event.wait(timeout=" in source
    assert list(inspect.signature(DBOS._recover_pending_workflows).parameters) == ["executor_ids"]


# a server that is away, and one that only refuses


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    engine = open_engine("postgresql+psycopg://user:secret@127.0.0.1:1/orthogen")
    with pytest.raises(NoAnswer, match=r"postgresql\+psycopg://user:\*\*\*@127.0.0.1:1/orthogen") as raised:
        engine.connect()
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(raised.value)


def test_what_the_database_does_not_know_is_no_silence_of_the_server(shared: Shared) -> None:
    with shared.ledger.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as raised:
        connection.execute(sa.text("SELECT nothing FROM nowhere"))
    assert not isinstance(raised.value, NoAnswer)


def test_a_connection_that_the_server_ended_is_a_silence(served: Shared) -> None:
    with served.ledger.engine.connect() as connection:
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(served.database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(NoAnswer):
            until(lambda: connection.execute(sa.text("SELECT 0")).scalar_one(), "the end of the connection")
