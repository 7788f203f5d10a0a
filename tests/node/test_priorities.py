"""What is urgent goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.small_studies import PIPELINE, small_pipeline, small_studies


def small(name: str, priority: str, patients: str) -> dict[str, Any]:
    when = {"PatientID": {"Matches": patients}}
    return {"Name": name, "When": when, "Pipeline": PIPELINE, "Priority": priority}


def test_an_urgent_study_overtakes_those_that_came_before_it(tmp_path: Path, ct_files: list[Path]) -> None:
    *routine, urgent = small_studies(ct_files, tmp_path / "studies", count=4)
    rules = [
        {**CT_RULE, "Series": {"Rows": {"AtLeast": 512}}},
        small("routine", "routine", "^SMALL-00[012]"),
        small("urgent", "stat", "^SMALL-003"),
    ]
    folders = ["pipelines", str(small_pipeline(tmp_path))]
    section = {"ParallelSlices": 1, "Rules": rules, "PipelineFolders": folders}
    with ANode(tmp_path / "storage", section) as node:
        storescu(ct_files, node.dicom_port)
        until(lambda: node.jobs(state="running"), "a job that takes the worker's time")
        for study in [*routine, urgent]:
            storescu(study.files, node.dicom_port)
        jobs = node.ended_jobs(5)
    order = [job["rule"] for job in sorted(jobs, key=lambda job: str(job["started"]))]
    assert order == [CT_RULE["Name"], "urgent", "routine", "routine", "routine"]
