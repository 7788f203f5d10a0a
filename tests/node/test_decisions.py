"""What a person decides on a job is kept with the name Orthanc authenticated, and the time."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.test_companions import strict_pipeline

NAME = "zoë müller"


def decided(node: ANode, job: dict[str, Any], what: str) -> dict[str, Any]:
    credentials = base64.b64encode(f"{NAME}:secret".encode()).decode()
    headers = {"X-Orthogen": "1", "Authorization": f"Basic {credentials}", "X-Orthogen-User": "somebody"}
    answer = node.request("POST", f"/orthogen/api/jobs/{job['id']}/{what}", {}, **headers)
    assert answer.status == 200, answer.data
    return dict(answer.json())


def run_again(node: ANode, job: dict[str, Any]) -> dict[str, Any]:
    wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": job["pipeline"], "force": True}
    answer = node.request("POST", "/orthogen/api/jobs", wanted, **{"X-Orthogen": "1"})
    assert answer.status == 201
    return dict(answer.json())


def test_who_decided_what_and_when_is_in_the_job_on_its_page_and_in_explain(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    section = {"PipelineFolders": [str(strict_pipeline(tmp_path))], "Rules": [CT_RULE]}
    with ANode(tmp_path / "storage", section) as node:
        storescu(ct_files[:2], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["decision"], job["decided_by"], job["decided"]) == (None, None, None)
        before = datetime.now(UTC)
        released = decided(node, job, "release")
        assert (released["decision"], released["decided_by"]) == ("released", NAME)
        assert before <= datetime.fromisoformat(released["decided"]) <= datetime.now(UTC)
        page = node.request("GET", f"/orthogen/ui/job?id={job['id']}").data.decode()
        assert "released by" in page

        again = run_again(node, job)
        assert decided(node, again, "cancel")["decision"] == "cancelled"
        retried = decided(node, again, "retry")
        assert (retried["decision"], retried["decided_by"]) == ("retried", NAME)
        until(lambda: node.get(f"/orthogen/api/jobs/{again['id']}")["state"] == "held", "a held result")
        assert decided(node, again, "reject")["decision"] == "rejected"

        explained = node.get(f"/orthogen/api/explain?study={job['study_instance_uid']}")["jobs"]
        decisions = {each["id"]: (each["decision"], each["decided_by"]) for each in explained}
        assert decisions == {job["id"]: ("released", NAME), again["id"]: ("rejected", NAME)}
