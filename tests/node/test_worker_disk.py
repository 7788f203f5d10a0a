"""A worker on another machine whose disk is full: the node says so, and the jobs go to another worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.a_postgres import APostgres
from tests.node.a_small_disk import a_small_disk
from tests.node.test_worker_command import a_worker, children_of, configuration

FLOOR = {"MinimumFreeMegabytes": 8}
SHADOW_RULE = {**CT_RULE, "Mode": "shadow"}
"""Its results lie with the worker."""


@pytest.fixture
def node(tmp_path: Path, postgres: APostgres) -> Iterator[ANode]:
    """Without workers of its own."""
    section = {"Database": postgres.fresh_database(), "Workers": 0, "Rules": [SHADOW_RULE]}
    with ANode(tmp_path / "storage", section) as node:
        yield node


def alerts(node: ANode) -> str:
    return "; ".join(node.get("/orthogen/api/health")["alerts"])


def test_a_worker_without_room_is_named_and_takes_no_job_that_another_can_do(
    node: ANode, tmp_path: Path, ct_files: list[Path]
) -> None:
    full, roomy = (configuration(tmp_path / name, node, **FLOOR) for name in ("full", "roomy"))
    with a_small_disk(full.parent / "var", 24) as disk, a_worker(full) as short:
        disk.fill(leave_bytes=2_000_000)
        until(lambda: "takes no jobs: disk full: " in alerts(node), "an alert on the worker")
        health = node.request("GET", "/orthogen/api/health")
        assert health.status == 503  # it is the only one
        assert "no worker takes jobs" in health.json()["reasons"][0]
        (child,) = children_of(short.pid)
        assert f"worker {child} on " in alerts(node)
        assert str(disk.folder) in alerts(node)
        metrics = node.request("GET", "/orthogen/metrics").data.decode()
        assert "orthogen_other_workers_short_of_space 1.0" in metrics

        storescu(ct_files[:2], node.dicom_port)
        until(lambda: node.jobs(state="queued"), "a job")
        with a_worker(roomy):
            (job,) = node.ended_jobs(1)
            assert node.request("GET", "/orthogen/api/health").status == 200
        assert (job["state"], job["attempts"]) == ("done", 1)
        assert list((roomy.parent / "var" / "orthogen" / "shadow" / job["id"]).glob("*.dcm"))
        disk.make_room()
        until(lambda: not alerts(node), "the end of the alert")


def test_a_job_whose_workers_disk_fills_under_it_is_done_by_another_as_its_first_attempt(
    node: ANode, tmp_path: Path, ct_files: list[Path]
) -> None:
    full = configuration(tmp_path / "full", node, **FLOOR, ParallelSlices=1)
    roomy = configuration(tmp_path / "roomy", node, **FLOOR)
    with a_small_disk(full.parent / "var", 24) as disk, a_worker(full):
        storescu(ct_files, node.dicom_port)
        until(lambda: any(0 < job["progress"] < 0.8 for job in node.jobs()), "a job at work")
        disk.fill()
        until(lambda: "takes no jobs" in alerts(node), "an alert on the worker")
        with a_worker(roomy):
            (job,) = node.ended_jobs(1)
            until(lambda: node.request("GET", "/orthogen/api/health").status == 200, "a healthy node")
        assert (job["state"], job["attempts"]) == ("done", 1)
        assert not any("disk" in reason for reason in job["reasons"])
        made = list((roomy.parent / "var" / "orthogen" / "shadow" / job["id"]).glob("*.dcm"))
        assert len(made) == len(ct_files)
