"""The same node on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from tests.node.a_node import ANode, storescu, until
from tests.node.a_postgres import APostgres

SLOW = {"ParallelSlices": 1, "RetrySeconds": 0.5}


def test_a_study_goes_through_with_postgresql_as_the_database(
    tmp_path: Path, ct_files: list[Path], postgres: APostgres
) -> None:
    with ANode(tmp_path / "storage", {"Database": postgres.fresh_database()}) as node:
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["attempts"]) == ("done", 1)
        assert [len(series["Instances"]) for series in node.result_series()] == [3]
    assert not list((tmp_path / "storage").rglob("*.sqlite*"))


def test_a_database_that_crashes_in_mid_job_loses_nothing(tmp_path: Path, ct_files: list[Path]) -> None:
    with (
        APostgres() as own,  # the others' tests go on with theirs
        ANode(tmp_path / "storage", {"Database": own.fresh_database(), **SLOW}) as node,
    ):
        storescu(ct_files, node.dicom_port)
        until(lambda: any(0 < job["progress"] < 1 for job in node.jobs(state="running")), "inference")
        worker = node.worker_pid()
        own.stop("immediate")
        until(lambda: node.request("GET", "/orthogen/api/jobs").status == 503, "that the node says so")
        own.start()
        until(lambda: node.request("GET", "/orthogen/api/jobs").status == 200, "the node to go on")
        (job,) = node.ended_jobs(1)
        assert job["state"] == "done"
        assert node.worker_pid() == worker
        assert [len(series["Instances"]) for series in node.result_series()] == [len(ct_files)]
