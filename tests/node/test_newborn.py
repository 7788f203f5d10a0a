"""A process that is born just after the server dropped every line must not take the living for dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.node.a_node import until
from tests.node.a_postgres import APostgres
from tests.node.test_life_signs import Shared, prepared


def restart(cluster: APostgres) -> None:
    cluster.stop("immediate")
    cluster.start()


def crash_of_one_backend(cluster: APostgres) -> None:
    """The server then ends all others too, and goes on without a new start."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            psycopg.connect(cluster.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    until(is_back, "the recovered server")


@pytest.fixture
def cluster() -> Iterator[APostgres]:
    with APostgres() as cluster:
        yield cluster


@pytest.fixture
def shared(cluster: APostgres, tmp_path: Path) -> Iterator[Shared]:
    with prepared(cluster.fresh_database(), tmp_path) as found:
        yield found


BIRTH = """
import sys, time
from pathlib import Path
from plugin import server_line
from plugin.database import database_url, open_engine
database, server_line.STEADY_AFTER_S = sys.argv[1], float(sys.argv[2])
line = server_line.ServerLine(database, "inference-new", "here", 2, "inference", lambda: None)
line.open()
print(line.is_steady)
while not line.is_steady:
    time.sleep(0.1)
locks = server_line.ServerLocks(open_engine(database_url(database, Path())))
with locks.held_if_dead("worker-a") as dead:
    print(dead)
"""


def born(shared: Shared, steady_after_s: float) -> tuple[bool, bool]:
    """Of another process: whether it believes what it sees at once; whether worker-a is dead then."""
    command = [sys.executable, "-c", BIRTH, shared.database, str(steady_after_s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    at_once, dead = done.stdout.split()
    return at_once == "True", dead == "True"


@pytest.mark.parametrize("trouble", [restart, crash_of_one_backend])
def test_who_is_born_after_the_server_dropped_every_line_believes_nothing_until_all_are_back(
    shared: Shared, cluster: APostgres, trouble: Callable[[APostgres], None]
) -> None:
    living = shared.living("worker-a")
    try:
        trouble(cluster)
        assert born(shared, 8.0) == (False, False)
    finally:
        living.kill()
        living.communicate()


def test_who_is_born_while_others_live_on_finds_the_dead_at_once(shared: Shared) -> None:
    with psycopg.connect(shared.database) as older:
        aged = "SELECT now() < clock_timestamp() - interval '3 s'"
        until(lambda: older.execute(aged).fetchone() == (True,), "a session that is older")
        assert born(shared, 2.0) == (True, True)
