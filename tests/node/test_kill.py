"""kill -9 at the worst moments: then there is exactly one result and nothing acknowledged is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.node.a_node import ANode, alive, storescu, until

SLOW = {"ParallelSlices": 1}


def complete_results(node: ANode, expected: int) -> None:
    """One result series, with one instance for each source slice."""
    node.settled()
    assert [len(series["Instances"]) for series in node.result_series()] == [expected]
    assert [job["state"] for job in node.jobs()] == ["done"]


@pytest.fixture
def node(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "storage", SLOW)


def running_job(node: ANode) -> bool:
    return any(0 < job["progress"] < 1 for job in node.jobs(state="running"))


def test_a_worker_killed_in_mid_inference_is_replaced(node: ANode, ct_files: list[Path]) -> None:
    with node:
        storescu(ct_files, node.dicom_port)
        until(lambda: running_job(node), "inference")
        killed = node.worker_pid()
        os.kill(killed, signal.SIGKILL)
        (job,) = node.ended_jobs(1)
        assert job["state"] == "done"
        assert node.worker_pid() != killed
        complete_results(node, len(ct_files))


def test_a_node_process_killed_in_mid_inference_is_replaced(node: ANode, ct_files: list[Path]) -> None:
    with node:
        storescu(ct_files, node.dicom_port)
        until(lambda: running_job(node), "inference")
        worker = node.worker_pid()
        parent = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        until(lambda: not alive([worker]), "the orphaned worker's end", 5)
        until(lambda: node.request("GET", "/orthogen/api/health").status == 200, "a new node process")
        node.ended_jobs(1)
        complete_results(node, len(ct_files))


def test_orthanc_killed_in_mid_inference_leaves_no_process_and_one_result(
    node: ANode, ct_files: list[Path]
) -> None:
    with node:
        storescu(ct_files, node.dicom_port)
        until(lambda: running_job(node), "inference")
        everything = node.descendants()
        os.kill(node.orthanc_pid(), signal.SIGKILL)
        until(lambda: not alive(everything), "the end of every process", 8)
    with node:
        node.ended_jobs(1)
        complete_results(node, len(ct_files))


def test_orthanc_killed_in_mid_ingest_loses_nothing_acknowledged(node: ANode, ct_files: list[Path]) -> None:
    acknowledged: list[Path] = []
    with node:
        for path in ct_files:
            try:
                storescu([path], node.dicom_port)
            except subprocess.CalledProcessError:
                break
            acknowledged.append(path)
            if len(acknowledged) == 10:
                os.kill(node.orthanc_pid(), signal.SIGKILL)
    assert len(acknowledged) == 10
    with node:
        until(lambda: node.jobs() or None, "a job for what was acknowledged")
        (job,) = node.ended_jobs(1)
        assert job["source_instances"] == 10
        storescu(ct_files, node.dicom_port)
        until(lambda: len(node.jobs()) == 2, "a job for the whole series")
        node.ended_jobs(2)
        assert sorted(len(series["Instances"]) for series in node.result_series()) == [10, len(ct_files)]


def test_a_restart_between_ingest_and_routing_loses_nothing(node: ANode, ct_files: list[Path]) -> None:
    node.section = {**SLOW, "QuietSeconds": 6.0}
    with node:
        storescu(ct_files[:3], node.dicom_port)
        until(lambda: node.get("/orthogen/api/health")["pending_series"] == 1, "a pending series")
        os.kill(node.orthanc_pid(), signal.SIGKILL)
        time.sleep(1)
    node.section = SLOW
    with node:
        node.ended_jobs(1)
        complete_results(node, 3)
