"""Rules in a running node: changed, refused, rolled back, tried, replayed; slices late and interleaved."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.node.a_node import CT_RULE, ORTHOGEN, ROOT, ANode, storescu, until

API = "/orthogen/api"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ANode]:
    with ANode(tmp_path_factory.mktemp("rules") / "storage", {"Rules": [CT_RULE]}) as node:
        yield node


def send(node: ANode, method: str, path: str, body: Any) -> urllib3.BaseHTTPResponse:
    return node.request(method, API + path, body, **{"X-Orthogen": "1"})


def rule(name: str, **keys: Any) -> dict[str, Any]:
    return {"Name": name, "When": {"Modality": {"Equals": "CT"}}, "Pipeline": "ct-denoise", **keys}


def test_a_change_needs_the_header_that_no_form_can_send(node: ANode) -> None:
    assert node.request("PUT", API + "/rules", [CT_RULE]).status == 400


def test_a_good_change_comes_into_force_with_version_author_and_diff(node: ANode) -> None:
    before = node.get(API + "/rules")["version"]
    answer = send(node, "PUT", "/rules", {"rules": [{**CT_RULE, "Priority": "stat"}], "comment": "urgent"})
    assert answer.status == 200
    found = answer.json()
    assert found["version"] == before + 1
    assert found["author"]
    assert [(change["key"], change["after"]) for change in found["diff"]] == [("Priority", "stat")]
    assert node.get(API + "/rules")["rules"][0]["Priority"] == "stat"


def test_a_bad_change_is_refused_with_key_and_remedy_and_nothing_changes(node: ANode) -> None:
    before = node.get(API + "/rules")
    answer = send(node, "PUT", "/rules", [rule("x", When={"Modalty": {"Equals": "CT"}})])
    assert answer.status == 422
    (problem,) = answer.json()["problems"]
    assert problem["path"] == "Rules[0].When.Modalty"
    assert "Modality" in problem["allowed"]
    assert node.get(API + "/rules") == before


def test_a_change_of_what_somebody_else_changed_meanwhile_is_refused(node: ANode) -> None:
    answer = send(node, "PUT", "/rules", {"rules": [rule("y")], "based_on": 0})
    assert answer.status == 422
    assert "in force" in answer.json()["detail"]


def test_rules_go_back_to_an_earlier_version_and_history_keeps_both(node: ANode) -> None:
    first = node.get(API + "/rules/versions")[-1]
    answer = send(node, "POST", "/rules/rollback", {"version": first["version"]})
    assert answer.status == 200
    assert node.get(API + "/rules")["rules"] == first["rules"]
    assert len(node.get(API + "/rules/versions")) >= 3


def test_the_changed_file_comes_into_force_and_a_bad_one_does_not(node: ANode) -> None:
    path = node.configuration()
    content = json.loads(path.read_text())
    content["Orthogen"]["Rules"] = [rule("from the file")]
    path.write_text(json.dumps(content))
    until(lambda: node.get(API + "/rules")["rules"][0]["Name"] == "from the file", "the file's rules", 15)
    version = node.get(API + "/rules")["version"]
    path.write_text("{ broken")
    time.sleep(6)
    assert node.get(API + "/rules")["version"] == version
    node.configuration()
    until(lambda: node.get(API + "/rules")["version"] > version, "the file's first rules", 15)


def test_a_dry_run_on_typed_values_explains_and_runs_nothing(node: ANode) -> None:
    answer = send(node, "POST", "/rules/dry-run", {"values": {"Modality": "MR"}, "rules": [rule("ct only")]})
    (series,) = answer.json()["series"]
    assert series["matched"] == []
    (condition,) = series["decisions"][0]["conditions"]
    assert (condition["attribute"], condition["seen"], condition["holds"]) == ("Modality", "MR", False)


def test_a_dry_run_on_a_dropped_file(node: ANode, ct_files: list[Path]) -> None:
    answer = urllib3.request(
        "POST",
        f"{node.url}{API}/rules/dry-run",
        body=ct_files[0].read_bytes(),
        headers={"X-Orthogen": "1", "Content-Type": "application/dicom"},
    )
    (series,) = answer.json()["series"]
    assert series["matched"] == [CT_RULE["Name"]]


def renamed(files: list[Path], folder: Path, **changes: str) -> list[Path]:
    """The same images as another series (or study)."""
    folder.mkdir(parents=True)
    uids = {"SeriesInstanceUID": generate_uid()}
    written = []
    for path in files:
        dataset = dcmread(path)
        for keyword, value in {**uids, **changes}.items():
            setattr(dataset, keyword, value)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(folder / path.name)
        written.append(folder / path.name)
    return written


def send_slowly(files: list[Path], node: ANode, calling: str, pause_s: float = 0.1) -> None:
    for path in files:
        command = ["/usr/bin/storescu", "-xt", "-R", "-aet", calling, "-aec", "ORTHOGEN"]
        subprocess.run([*command, "127.0.0.1", str(node.dicom_port), str(path)], check=True)
        time.sleep(pause_s)


@pytest.fixture
def fresh_node(tmp_path: Path) -> ANode:
    return ANode(tmp_path / "storage")


def test_two_scanners_at_once_with_late_duplicated_and_interleaved_slices(
    fresh_node: ANode, ct_files: list[Path], mr_files: list[Path], tmp_path: Path
) -> None:
    """The table: what is sent, by whom, and what becomes of it.

    | series | from  | slices                              | fate                                       |
    |--------|-------|-------------------------------------|--------------------------------------------|
    | A      | CT1   | 4, each sent twice                  | one job of 4 by rule `ct1`                 |
    | B      | CT2   | 4 among those of C, one comes late  | jobs of 3 and of 4 by rule `others`        |
    | C      | CT2   | 4 of 5: the second is missing       | one job by rule `others`, refused: gap     |
    | D      | CT1   | MR                                  | no rule matched                            |
    """
    rules = [
        rule("ct1", When={"Modality": {"Equals": "CT"}, "CallingAeTitle": {"Equals": "CT1"}}, Stop=True),
        rule("others"),
    ]
    study = {name: generate_uid() for name in "ABC"}
    a = renamed(ct_files[:4], tmp_path / "a", StudyInstanceUID=study["A"])
    b = renamed(ct_files[:4], tmp_path / "b", StudyInstanceUID=study["B"])
    c = renamed([ct_files[0], *ct_files[2:5]], tmp_path / "c", StudyInstanceUID=study["C"])
    fresh_node.section = {"Rules": rules, "QuietSeconds": 1.0}
    with fresh_node as node:
        senders = [
            threading.Thread(target=send_slowly, args=([*a, *a, *mr_files[:2]], node, "CT1")),
            threading.Thread(
                target=send_slowly, args=([b[0], c[0], b[1], c[1], b[2], c[2], c[3]], node, "CT2")
            ),
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        node.ended_jobs(3)
        send_slowly(b[3:], node, "CT2")
        node.ended_jobs(4)

        fate = {
            name: sorted((job["source_instances"], job["rule"], job["state"]) for job in node.jobs(study=uid))
            for name, uid in study.items()
        }
        assert fate["A"] == [(4, "ct1", "done")]
        assert fate["B"] == [(3, "others", "done"), (4, "others", "done")]
        assert fate["C"] == [(4, "others", "failed")]
        assert "gap" in node.jobs(study=study["C"])[0]["reasons"][0]
        (judged,) = node.explained(str(dcmread(mr_files[0]).StudyInstanceUID))
        assert "no rule matched" in judged["summary"]
        decisions = node.explained(study["A"])[0]["routing"]["decisions"]
        assert [decision["fate"] for decision in decisions] == ["runs", "stopped"]

        told = orthogen("explain", study["A"], "--url", node.url).stdout
        assert "rule 'ct1': rule applies" in told
        assert "CallingAeTitle Equals CT1, saw CT1" in told
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps([rule("only CT2", When={"CallingAeTitle": {"Equals": "CT2"}})]))
        replayed = orthogen("replay", "--rules", changed, "--since", "2020-01-01", "--url", node.url).stdout
        assert "1 of 4 series in 4 studies would change fate" in replayed
        assert len(node.jobs()) == 4


def orthogen(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ORTHOGEN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)


def test_a_rule_that_waits_fires_when_the_named_series_is_there(
    fresh_node: ANode, ct_files: list[Path], tmp_path: Path
) -> None:
    study = generate_uid()
    thick = renamed(ct_files[:3], tmp_path / "1", StudyInstanceUID=study, SeriesDescription="thick")
    other = renamed(ct_files[:2], tmp_path / "2", StudyInstanceUID=study, SeriesDescription="scout")
    waiting = {
        "Series": {"scout": {"SeriesDescription": {"Equals": "scout"}}},
        "AtMostSeconds": 120,
        "Then": "skip",
    }
    wanted = {"Modality": {"Equals": "CT"}, "SeriesDescription": {"Equals": "thick"}}
    fresh_node.section = {"Rules": [rule("after the scout", When=wanted, WaitFor=waiting)]}
    with fresh_node as node:
        storescu(thick, node.dicom_port)
        (judged,) = node.explained(study)
        assert judged["routing"]["decisions"][0]["fate"] == "waits"
        assert node.jobs() == []
        storescu(other, node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert job["source_instances"] == 3


def test_an_expected_count_ends_the_wait_early(
    fresh_node: ANode, ct_files: list[Path], tmp_path: Path
) -> None:
    files = renamed(ct_files[:3], tmp_path / "1", ImagesInAcquisition="3")
    complete = {"QuietSeconds": 60, "ExpectedCount": "ImagesInAcquisition"}
    fresh_node.section = {"Rules": [rule("counted", Completeness=complete)]}
    with fresh_node as node:
        started = time.monotonic()
        storescu(files, node.dicom_port)
        node.ended_jobs(1)
        assert time.monotonic() - started < 30


def test_a_shadow_rule_keeps_its_result_aside(fresh_node: ANode, ct_files: list[Path]) -> None:
    fresh_node.section = {"Rules": [rule("shadow", Mode="shadow")]}
    with fresh_node as node:
        storescu(ct_files[:2], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["mode"]) == ("done", "shadow")
        assert node.result_series() == []
        kept = list((node.storage / "orthogen" / "shadow" / job["id"]).glob("*.dcm"))
        assert len(kept) == 2


def test_a_storm_from_one_source_waits_with_an_alert(
    fresh_node: ANode, ct_files: list[Path], tmp_path: Path
) -> None:
    files = [renamed(ct_files[:1], tmp_path / str(number))[0] for number in range(3)]
    fresh_node.section = {"Rules": [rule("ct")], "Guards": {"SeriesPerSourceAndHour": 2}}
    with fresh_node as node:
        storescu(files, node.dicom_port)
        node.ended_jobs(2)
        health = until(lambda: (h := node.get("/orthogen/api/health"))["alerts"] and h, "an alert")
        assert "the cap is 2" in health["alerts"][0]
        assert health["status"] == "ok"


def test_a_restart_of_the_node_alone_keeps_the_rules_in_force(fresh_node: ANode) -> None:
    """Those of the edited file, though Orthanc was started with others."""
    with fresh_node as node:
        path = node.configuration()
        content = json.loads(path.read_text())
        content["Orthogen"]["Rules"] = [rule("edited")]
        path.write_text(json.dumps(content))
        until(lambda: node.get(API + "/rules")["rules"][0]["Name"] == "edited", "the edited rules", 15)
        version = node.get(API + "/rules")["version"]
        worker = node.worker_pid()
        parent = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        until(lambda: node.request("GET", API + "/health").status == 503, "the node's end", 10)
        until(lambda: node.request("GET", API + "/health").status == 200, "a new node process", 20)
        assert node.get(API + "/rules")["version"] == version


def test_a_rule_may_have_any_name(fresh_node: ANode, ct_files: list[Path]) -> None:
    fresh_node.section = {"Rules": [rule("Schädel CT")]}
    with fresh_node as node:
        storescu(ct_files[:1], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["rule"]) == ("done", "Schädel CT")


def test_a_result_that_was_deleted_with_its_study_is_made_again(
    fresh_node: ANode, ct_files: list[Path]
) -> None:
    with fresh_node as node:
        storescu(ct_files[:2], node.dicom_port)
        node.ended_jobs(1)
        (study,) = node.get("/studies")
        node.request("DELETE", f"/studies/{study}")
        storescu(ct_files[:2], node.dicom_port)
        newest, _ = node.ended_jobs(2)
        assert newest["state"] == "done"
        assert [len(series["Instances"]) for series in node.result_series()] == [2]
