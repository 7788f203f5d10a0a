"""The gate in a real node: a rule's own limits, the page with pictures, and what is kept for drift."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.node.a_node import CT_RULE, ORTHOGEN, ROOT, ANode, storescu

STRICT = {"NoiseRatioWarn": [0.98, 0.99], "NoiseRatioHold": [0.98, 0.99]}
"""Limits that nothing can keep."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[ANode]:
    storage = tmp_path_factory.mktemp("gate") / "storage"
    with ANode(storage, {"Rules": [{**CT_RULE, "Gate": STRICT}]}) as node:
        storescu(ct_files[:3], node.dicom_port)
        node.ended_jobs(1)
        yield node


def page(node: ANode, address: str) -> str:
    answer = node.request("GET", f"/orthogen/ui/{address}")
    assert answer.status == 200
    return answer.data.decode("utf-8")


def test_a_rules_own_limits_decide(node: ANode) -> None:
    (job,) = node.jobs()
    assert (job["state"], job["verdict"]) == ("held", "HOLD")
    assert any("of the source's noise (limit 0.98)" in reason for reason in job["reasons"])


def test_the_report_traces_each_reason_to_a_figure_a_limit_and_a_picture(
    node: ANode, ct_files: list[Path]
) -> None:
    (job,) = node.jobs()
    assert f'href="gate?id={job["id"]}"' in page(node, f"job?id={job['id']}")
    shown = page(node, f"gate?id={job['id']}")
    assert "HOLD" in shown
    for name, value in job["figures"].items():
        if name != "clipped_voxels":
            assert name.replace("_", " ") in shown
            assert f"{value:.4g}" in shown
    assert len(re.findall(r'<img src="data:image/jpeg;base64,', shown)) >= 4
    assert "noise_ratio" in every_link_leads_to_a_picture(shown)
    assert "0.98 to 0.99" in shown
    patient = dcmread(ct_files[0])
    for keyword in ("PatientName", "PatientID"):
        assert not patient.get(keyword) or str(patient[keyword].value) not in shown


def every_link_leads_to_a_picture(shown: str) -> set[str]:
    linked = set(re.findall(r'href="#(\w+)"', shown))
    sections = dict(re.findall(r'<h3 id="(\w+)">(.*?)(?=<h[23])', shown, re.DOTALL))
    assert all("<img src=" in sections.get(figure, "") for figure in linked)
    return linked


def test_a_job_that_has_none_has_no_report(node: ANode) -> None:
    assert node.request("GET", "/orthogen/ui/gate?id=00000000-0000-0000-0000-000000000000").status == 404


def test_the_figures_are_charted_by_scanner(node: ANode, ct_files: list[Path]) -> None:
    shown = page(node, "drift")
    assert "noise ratio" in shown
    assert str(dcmread(ct_files[0]).ManufacturerModelName) in shown
    assert node.get("/orthogen/api/health")["alerts"] == []


def test_run_leaves_the_report_beside_the_result(tmp_path: Path, ct_files: list[Path]) -> None:
    (tmp_path / "in").mkdir()
    for file in ct_files[:2]:
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    command: list[str | Path] = [
        ORTHOGEN,
        "run",
        "--pipeline",
        "ct-denoise",
        "--input",
        tmp_path / "in",
        "--output",
        tmp_path / "out",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=180, cwd=ROOT)
    (report,) = (tmp_path / "out").glob("*.html")
    assert "data:image/jpeg" in report.read_text(encoding="utf-8")
