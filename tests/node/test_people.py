"""Cancel and retry, by a person, in a running node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import urllib3

from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.test_companions import strict_pipeline


def post(node: ANode, job: dict[str, Any], what: str) -> urllib3.BaseHTTPResponse:
    return node.request("POST", f"/orthogen/api/jobs/{job['id']}/{what}", {}, **{"X-Orthogen": "1"})


def test_a_running_job_is_cancelled_at_once_and_leaves_nothing_and_runs_again_on_retry(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    with ANode(tmp_path / "storage", {"ParallelSlices": 1}) as node:
        storescu(ct_files, node.dicom_port)
        (job,) = until(lambda: [j for j in node.jobs() if 0 < j["progress"] < 0.5], "a job at work")
        assert post(node, job, "retry").status == 409
        assert post(node, job, "cancel").status == 200
        until(lambda: not node.result_series(), "the withdrawal of what was written")
        time.sleep(1)
        assert node.result_series() == []
        assert node.get(f"/orthogen/api/jobs/{job['id']}")["state"] == "cancelled"
        assert post(node, job, "cancel").status == 409

        assert post(node, job, "retry").status == 200
        (again,) = node.ended_jobs(1, within_s=180)
        assert (again["state"], again["attempts"]) == ("done", 2)
        assert [len(series["Instances"]) for series in node.result_series()] == [len(ct_files)]


def test_a_rejected_job_that_is_cancelled_in_its_next_attempt_leaves_nothing(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    pipelines = {"PipelineFolders": [str(strict_pipeline(tmp_path))], "Rules": [CT_RULE]}
    with ANode(tmp_path / "storage", {"ParallelSlices": 1, **pipelines}) as node:
        storescu(ct_files, node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["verdict"]) == ("held", "HOLD")
        assert post(node, job, "reject").status == 200
        assert post(node, job, "retry").status == 200
        (job,) = until(lambda: [j for j in node.jobs() if 0 < j["progress"] < 0.9], "a job at work")
        assert post(node, job, "cancel").status == 200
        until(lambda: not node.result_series(), "the withdrawal of what was written")
        time.sleep(1)
        assert node.result_series() == []
        cancelled = node.get(f"/orthogen/api/jobs/{job['id']}")
        assert (cancelled["state"], cancelled["verdict"]) == ("cancelled", None)


def test_a_series_that_lost_a_slice_is_other_content_and_a_new_job(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    with ANode(tmp_path / "storage", {"QuietSeconds": 0.5}) as node:
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        (source,) = [series for series in node.series() if series not in node.result_series()]
        node.request("DELETE", f"/instances/{source['Instances'][0]}")
        wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise"}
        answer = node.request("POST", "/orthogen/api/jobs", wanted, **{"X-Orthogen": "1"})
        assert answer.status == 201
        newest, _ = node.ended_jobs(2)
        assert newest["source_instances"] == 2
