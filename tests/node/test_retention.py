"""Retention in a running node, with limits of a second: what is over goes, what may be wanted stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.node.a_destination import Peer
from tests.node.a_node import CT_RULE, ROOT, ANode, storescu, until
from tests.node.test_pages import strict_pipeline

A_SECOND = 1 / 86_400
LIMITS = {
    f"{kind}Days": A_SECOND
    for kind in ("Shadow", "Held", "Quarantine", "Result", "Report", "Job", "Explanation", "Traffic")
}
CHANGES = {"X-Orthogen": "1"}
SHADOW_RULE = {**CT_RULE, "Name": "shadow", "Mode": "shadow", "Pipeline": "ct-again"}
HELD_RULE = {**CT_RULE, "Name": "held", "Pipeline": "ct-strict"}


def pipelines(folder: Path) -> Path:
    """The shipped pipeline under other names: once with limits that nothing can keep, once as it is."""
    again = strict_pipeline(folder) / "ct-again"
    shutil.copytree(ROOT / "pipelines" / "ct-denoise", again)
    manifest = json.loads((again / "pipeline.json").read_text())
    (again / "pipeline.json").write_text(json.dumps({**manifest, "Name": "ct-again"}))
    return folder


def by_rule(node: ANode) -> dict[str, dict[str, Any]]:
    return {job["rule"]: job for job in node.jobs()}


def deleted(node: ANode, job: dict[str, Any], times: int = 1) -> bool:
    return node.log().count(f"retention: job {job['id']} was deleted") == times


def test_what_is_over_goes_and_what_is_undelivered_or_undecided_stays(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    peer = Peer()
    section = {
        "PipelineFolders": ["pipelines", str(pipelines(tmp_path / "pipelines"))],
        "Destinations": {"PACS": peer.section()},
        "Rules": [{**CT_RULE, "SendTo": ["PACS"]}, SHADOW_RULE, HELD_RULE],
        "Retention": LIMITS,
        "RetrySeconds": 0.3,
    }
    with ANode(tmp_path / "storage", section) as node:
        storescu(ct_files[:3], node.dicom_port)
        jobs = until(lambda: found if len(found := by_rule(node)) == 3 else None, "three jobs", 90)
        live, shadow, held = (jobs[name] for name in ("denoise CT", "shadow", "held"))
        kept = node.storage / "orthogen"
        until(lambda: deleted(node, shadow), "the end of the shadow job", 240)
        assert not (kept / "shadow" / shadow["id"]).exists()
        expected = {live["id"]: "delivering", held["id"]: "held"}
        until(lambda: {job["id"]: job["state"] for job in node.jobs()} == expected, "the other two", 180)
        assert list((kept / "held" / held["id"]).glob("*.dcm"))
        assert len(node.result_series()) == 1

        with peer:
            until(lambda: deleted(node, live), "the end of the delivered job", 180)
            assert len(peer.stored) == 3
            assert node.result_series() == []
            study = live["study_instance_uid"]
            assert node.get(f"/orthogen/api/explain?study={study}")["series"]  # a result of it is undecided
            wanted = {"series_instance_uid": live["source_series_uid"], "pipeline": "ct-denoise"}
            assert node.request("POST", "/orthogen/api/jobs", wanted, **CHANGES).status == 201
            until(lambda: deleted(node, live, 2), "the same job, run and deleted once more", 180)

        path = f"/orthogen/api/jobs/{held['id']}/reject"
        assert node.request("POST", path, {}, **CHANGES).status == 200
        until(lambda: not node.jobs(), "the end of the rejected job")
        until(
            lambda: not node.get(f"/orthogen/api/explain?study={study}")["series"],
            "the end of the explanations",
        )
