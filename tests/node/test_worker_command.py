"""`orthogen worker`: more workers for a node, that share its PostgreSQL database and reach its Orthanc."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plugin.cli import main
from tests.node.a_node import ORTHOGEN, ROOT, ANode, alive, processes, storescu, until
from tests.node.a_postgres import APostgres
from tests.node.test_companions import strict_pipeline

USER, PASSWORD = "worker", "not in any log"


def configuration(folder: Path, node: ANode, **section: Any) -> Path:
    """Of a worker's machine: other than the node's own, but for the database."""
    access = {"Url": node.url, "User": USER, "Password": {"Variable": "ORTHOGEN_PASSWORD_OF_ORTHANC"}}
    content = {"Orthogen": {"Database": node.section["Database"], "Orthanc": access, **section}}
    folder.mkdir()
    path = folder / "worker.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    return path


@contextmanager
def a_worker(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Ready, and ended by SIGTERM."""
    process = subprocess.Popen(
        [ORTHOGEN, "worker", "--config", path],
        stdout=subprocess.PIPE,
        stderr=(path.parent / "log").open("w"),
        text=True,
        cwd=ROOT,
        env={"ORTHOGEN_PASSWORD_OF_ORTHANC": PASSWORD},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("orthogen worker ready"), (path.parent / "log").read_text()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.communicate()


def children_of(pid: int) -> set[int]:
    return {child for child, parent, _ in processes() if parent == pid}


@pytest.fixture
def node(tmp_path: Path, postgres: APostgres) -> Iterator[ANode]:
    """Without workers of its own."""
    with ANode(tmp_path / "storage", {"Database": postgres.fresh_database(), "Workers": 0}) as node:
        yield node


def test_a_worker_of_its_own_does_the_jobs_of_a_node_and_ends_when_asked(
    node: ANode, tmp_path: Path, ct_files: list[Path]
) -> None:
    with a_worker(configuration(tmp_path / "elsewhere", node)) as worker:
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["attempts"]) == ("done", 1)
        assert [len(series["Instances"]) for series in node.result_series()] == [3]
        (child,) = children_of(worker.pid)
        health = node.get("/orthogen/api/health")
        assert health["workers"] == []
        assert [other["pid"] for other in health["other_workers"]] == [child]
    assert worker.returncode == 0
    until(lambda: not alive([child]), "the end of the worker's process", 10)
    assert PASSWORD not in (tmp_path / "elsewhere" / "log").read_text()


def test_what_a_far_worker_holds_is_kept_by_the_node_and_released_there(
    tmp_path: Path, postgres: APostgres, ct_files: list[Path]
) -> None:
    folders = {"PipelineFolders": [str(strict_pipeline(tmp_path))]}
    section = {"Database": postgres.fresh_database(), "Workers": 0, **folders}
    with (
        ANode(tmp_path / "storage", section) as node,
        a_worker(configuration(tmp_path / "elsewhere", node, **folders)),
    ):
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["verdict"]) == ("held", "HOLD")
        until(lambda: node.jobs()[0]["stage"] == "held", "the node to set the result aside")
        assert node.result_series() == []
        path = f"/orthogen/api/jobs/{job['id']}/release"
        assert node.request("POST", path, {}, **{"X-Orthogen": "1"}).status == 200
        assert [len(series["Instances"]) for series in node.result_series()] == [3]


def test_a_worker_that_dies_for_good_is_replaced_by_another(
    node: ANode, tmp_path: Path, ct_files: list[Path]
) -> None:
    first = configuration(tmp_path / "first", node, ParallelSlices=1)
    second = configuration(tmp_path / "second", node)
    with a_worker(first) as doomed:
        storescu(ct_files, node.dicom_port)
        until(lambda: any(0 < job["progress"] < 1 for job in node.jobs()), "inference")
        (child,) = children_of(doomed.pid)
        doomed.kill()  # its child goes with it: the life line is cut
        until(lambda: not alive([child]), "the end of the worker's process", 10)
    with a_worker(second):
        (job,) = node.ended_jobs(1)
    assert (job["state"], job["attempts"]) == ("done", 1)
    assert [len(series["Instances"]) for series in node.result_series()] == [len(ct_files)]


@pytest.mark.parametrize(
    ("section", "mode", "said"),
    [
        ({}, 0o600, "Orthogen.Database: SQLite is the node's alone"),
        ({"Database": "postgresql://u@db/x"}, 0o600, "Orthogen.Orthanc: is missing"),
        (
            {"Database": "postgresql://u:p@db/x", "Orthanc": {"Url": "http://pacs:8042"}},
            0o644,
            "everybody can read it",
        ),
        (
            {"Database": "postgresql://u@db/x", "Orthanc": {"Url": "http://pacs:8042", "User": "u"}},
            0o600,
            "User and Password go together",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: dict[str, Any], mode: int, said: str
) -> None:
    path = tmp_path / "worker.json"
    path.write_text(json.dumps({"Orthogen": section}), encoding="utf-8")
    path.chmod(mode)
    assert main(["worker", "--config", str(path)]) == 2
    assert said in capsys.readouterr().err
