"""Enhanced instances in a real node: routed, processed and stored in the form the rule asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from dicom_templates.conformance import dciodvfy
from dicom_templates.enhanced_source import EnhancedInstance
from tests.dicom.enhanced_phantom import EnhancedPhantom
from tests.node.a_node import CT_RULE, ANode

FRAMES = 4
ENHANCED = {
    **CT_RULE,
    "Name": "as enhanced",
    "When": {"SeriesDescription": {"Equals": "stay"}},
    "Output": "enhanced",
}
OF_A_FRAME = {
    "Orientation": {"Equals": "axial"},
    "SliceThickness": {"AtMost": 5},
    "NumberOfFrames": {"Equals": FRAMES},
}
CLASSIC = {**CT_RULE, "When": {"SeriesDescription": {"Equals": "become"}, **OF_A_FRAME}}


def phantom(description: str, number: int) -> bytes:
    attributes: dict[str, Any] = {
        "SeriesDescription": description,
        "SeriesInstanceUID": f"1.2.826.0.1.3680043.8.498.79.2.{number}",
        "SOPInstanceUID": f"1.2.826.0.1.3680043.8.498.79.3.{number}",
    }
    return EnhancedPhantom(frames=FRAMES, rows=96, columns=128, attributes=attributes).instance()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ANode]:
    storage = tmp_path_factory.mktemp("enhanced") / "storage"
    with ANode(storage, {"Rules": [ENHANCED, CLASSIC]}) as node:
        for number, description in enumerate(("become", "stay"), start=1):
            body = phantom(description, number)
            assert urllib3.request("POST", node.url + "/instances", body=body).status == 200
        node.ended_jobs(2)
        yield node


def result_of(node: ANode, description: str) -> list[bytes]:
    (found,) = [
        series
        for series in node.result_series()
        if series["MainDicomTags"]["SeriesDescription"].endswith(description)
    ]
    return node.files_of(found)


def test_both_jobs_are_done(node: ANode) -> None:
    jobs = node.jobs()
    assert [job["state"] for job in jobs] == ["done", "done"], [job["reasons"] for job in jobs]
    assert sorted(job["output"] for job in jobs) == ["classic", "enhanced"]


def test_a_rule_sees_what_a_classic_slice_would_say_and_makes_a_classic_series(node: ANode) -> None:
    files = result_of(node, "become")
    assert len(files) == FRAMES
    assert {dciodvfy(data).errors for data in files} == {()}


def test_a_rule_that_asks_for_enhanced_gets_one_instance(node: ANode) -> None:
    (data,) = result_of(node, "stay")
    assert EnhancedInstance.of(data).frames == FRAMES
    assert dciodvfy(data).errors == ()


def test_a_second_run_of_the_same_content_writes_the_same_objects(node: ANode) -> None:
    (job,) = [job for job in node.jobs() if job["output"] == "enhanced"]
    wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise", "force": True}
    answer = node.request("POST", "/orthogen/api/jobs", wanted, **{"X-Orthogen": "1"})
    assert answer.status == 201
    assert [each["state"] for each in node.ended_jobs(3)] == ["done"] * 3
