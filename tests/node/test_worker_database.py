"""`orthogen worker` and a database that does not let it in: it says why at once, and ends if waiting mends
nothing.
"""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from plugin.cli import main
from plugin.database import database_url, prepare_database
from plugin.reach_database import await_database
from tests.node.a_node import ORTHOGEN, ROOT, free_port, until
from tests.node.a_postgres import PASSWORD, APostgres

SHOWN = PASSWORD.replace(" ", "%20")
WRONG = "quite wrong"


def configuration(folder: Path, database: str) -> Path:
    access = {"Url": "http://127.0.0.1:1"}
    path = folder / "worker.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"Orthogen": {"Database": database, "Orthanc": access}}), encoding="utf-8")
    return path


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says, having ended with a status for wrong configurations."""
    assert main(["worker", "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "Orthogen.Database" in said
    for secret in (PASSWORD, SHOWN, WRONG):
        assert secret not in said
    return said


def test_a_wrong_password_is_told_and_ends_it(
    tmp_path: Path, postgres: APostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.url("postgres").replace(SHOWN, WRONG.replace(" ", "%20"))
    said = refused(configuration(tmp_path, url), capsys)
    assert "password authentication failed" in said
    assert f"postgresql://orthogen:***@127.0.0.1:{postgres.port}/postgres" in said


def test_a_database_that_does_not_exist_is_told_and_ends_it(
    tmp_path: Path, postgres: APostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(configuration(tmp_path, postgres.url("nowhere")), capsys)
    assert 'database "nowhere" does not exist' in said


def test_tables_that_a_newer_version_has_made_are_told_and_end_it(
    tmp_path: Path, postgres: APostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.fresh_database()
    prepare_database(database_url(url, tmp_path))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE dbos.dbos_migrations SET version = version + 1")
    said = refused(configuration(tmp_path, url), capsys)
    assert "install the version of this project that the node has" in said


def test_a_server_that_is_away_is_told_at_once_and_waited_for_until_the_end(tmp_path: Path) -> None:
    url = f"postgresql://orthogen:{SHOWN}@127.0.0.1:{free_port()}/orthogen"
    log = tmp_path / "log"
    with log.open("w") as stderr:
        command = [str(ORTHOGEN), "worker", "--config", str(configuration(tmp_path, url))]
        process = subprocess.Popen(command, stderr=stderr, cwd=ROOT)
    try:
        until(lambda: "does not answer" in log.read_text(), "a word on the database")
        said = log.read_text()
        assert "orthogen:***@127.0.0.1" in said
        assert "Connection refused" in said
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_server_that_comes_up_later_is_found() -> None:
    said: list[str] = []
    with APostgres() as cluster, ExitStack() as later:
        cluster.stop()
        later.callback(cluster.start)

        def pause(_seconds: float) -> bool:
            later.close()  # it comes up
            return False

        assert await_database(cluster.url("postgres"), said.append, pause)
    assert len(said) == 1
