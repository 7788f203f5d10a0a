"""A job that kills its workers, or never ends, is set aside; the others go on."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

from plugin.holding import CRASHES_ALLOWED
from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.small_studies import PIPELINE, small_pipeline, small_studies


def begun_after(node: ANode, job_id: str, before: str) -> str | None:
    """When a worker began the job, if it did so later than that and is at work."""
    job: dict[str, Any] = node.get(f"/orthogen/api/jobs/{job_id}")
    at_work = job["state"] == "running" and job["stage"] == "infer"
    return job["started"] if at_work and job["started"] > before else None


def test_a_job_under_which_the_worker_dies_three_times_is_set_aside_and_the_next_one_is_done(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    (small,) = small_studies(ct_files, tmp_path / "small", count=1)
    rules = [
        {**CT_RULE, "Series": {"Rows": {"AtLeast": 512}}},
        {"Name": "small", "When": {"Rows": {"AtMost": 64}}, "Pipeline": PIPELINE},
    ]
    folders = ["pipelines", str(small_pipeline(tmp_path))]
    section = {"ParallelSlices": 1, "Rules": rules, "PipelineFolders": folders}
    with ANode(tmp_path / "storage", section) as node:
        storescu(ct_files, node.dicom_port)
        poison = until(lambda: node.jobs(), "the job")[0]
        storescu(small.files, node.dicom_port)
        until(lambda: len(node.jobs()) == 2, "the next job")
        begun = ""
        for _ in range(CRASHES_ALLOWED):
            begun = until(partial(begun_after, node, poison["id"], begun), "the job at work")
            os.kill(node.worker_pid(), signal.SIGKILL)
        by_pipeline = {job["pipeline"]: job for job in node.ended_jobs(2)}
        assert by_pipeline[PIPELINE]["state"] == "done"
        set_aside = by_pipeline["ct-denoise"]
        assert (set_aside["state"], set_aside["attempts"]) == ("failed", 1)
        assert "crashed 3 times" in set_aside["reasons"][0]

        retry = f"/orthogen/api/jobs/{poison['id']}/retry"
        assert node.request("POST", retry, {}, **{"X-Orthogen": "1"}).status == 200
        assert {job["state"] for job in node.ended_jobs(2)} == {"done"}


def test_a_run_that_reaches_its_time_limit_is_ended_and_says_so(tmp_path: Path, ct_files: list[Path]) -> None:
    section = {"ParallelSlices": 1, "TimeLimits": {"ct-denoise": 0.2}}
    with ANode(tmp_path / "storage", section) as node:
        storescu(ct_files, node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["attempts"]) == ("failed", 1)
        assert "longer than its limit of 0.2 s" in job["reasons"][0]
        until(lambda: not node.result_series(), "the withdrawal of what was written")
