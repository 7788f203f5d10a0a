"""Two Orthancs with one index and one storage area in PostgreSQL, each with a node on the same database: what
is sent to either is processed once, and one goes on when the other dies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from plugin.preflight import plugin_folder
from tests.node.a_node import ANode, storescu, until
from tests.node.a_postgres import APostgres
from tests.node.small_studies import PIPELINE, SmallStudy, small_pipeline, small_studies

LIBRARIES = ("libOrthancPostgreSQLIndex.so", "libOrthancPostgreSQLStorage.so")
SLICES = 2
ERRORS = ("could not be judged", "met an error", "broke off", "Traceback")


def on_postgresql(index_url: str) -> dict[str, object]:
    """Orthanc's own configuration: index and files in one database that others write to as well."""
    folder = plugin_folder()
    assert folder is not None
    libraries = [str(folder / name) for name in LIBRARIES]
    assert Path(libraries[0]).exists(), "install Debian's orthanc-postgresql (`make test` does)"
    connection = {"ConnectionUri": index_url, "EnableIndex": True, "EnableStorage": True}
    return {"Plugins": libraries, "PostgreSQL": {**connection, "Lock": False, "MaximumConnectionRetries": 30}}


@pytest.fixture
def nodes(tmp_path: Path, postgres: APostgres) -> Iterator[tuple[ANode, ANode]]:
    index = on_postgresql(postgres.fresh_database())
    rule = {"Name": "all", "When": {"Modality": {"Equals": "CT"}}, "Pipeline": PIPELINE}
    section = {
        "Database": postgres.fresh_database(),
        "PipelineFolders": [str(small_pipeline(tmp_path))],
        "Rules": [rule],
        "RetrySeconds": 0.3,
    }
    with ExitStack() as stack:
        yield (
            stack.enter_context(ANode(tmp_path / "first", section, index)),
            stack.enter_context(ANode(tmp_path / "second", section, index)),
        )


def send_at_once(to: list[tuple[ANode, list[SmallStudy]]]) -> None:
    def send(node: ANode, studies: list[SmallStudy]) -> None:
        for study in studies:
            storescu(study.files, node.dicom_port)

    threads = [threading.Thread(target=send, args=each) for each in to]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def require_one_result_each(node: ANode, studies: list[SmallStudy]) -> None:
    jobs = node.ended_jobs(len(studies))
    assert {job["state"] for job in jobs} == {"done"}, [job["reasons"] for job in jobs]
    assert {job["study_instance_uid"] for job in jobs} == {study.study_instance_uid for study in studies}
    series = node.result_series()
    assert len({each["ParentStudy"] for each in series}) == len(series) == len(studies)
    assert {len(each["Instances"]) for each in series} == {SLICES}


def test_a_study_sent_to_either_of_two_nodes_or_to_both_is_processed_once(
    nodes: tuple[ANode, ANode], tmp_path: Path, ct_files: list[Path]
) -> None:
    first, second = nodes
    studies = small_studies(ct_files, tmp_path / "studies", count=9, slices=SLICES)
    send_at_once([(first, studies[:6]), (second, studies[3:])])
    require_one_result_each(first, studies)
    first.settled()
    require_one_result_each(second, studies)
    for node in nodes:
        for study in studies:
            assert len(node.explained(study.study_instance_uid)) >= 1
        assert not [line for line in node.log().splitlines() if any(error in line for error in ERRORS)]


def test_when_one_of_two_nodes_dies_the_other_finishes_its_work(
    nodes: tuple[ANode, ANode], tmp_path: Path, ct_files: list[Path]
) -> None:
    first, second = nodes
    studies = small_studies(ct_files, tmp_path / "studies", count=8, slices=SLICES)
    send_at_once([(first, studies)])
    until(lambda: second.jobs(), "jobs")
    os.kill(first.orthanc_pid(), signal.SIGKILL)
    require_one_result_each(second, studies)
