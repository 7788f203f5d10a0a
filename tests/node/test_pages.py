"""The admin pages of a real node, read as text and in a real Chromium."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.node.a_browser import MISSING, ABrowser
from tests.node.a_node import CT_RULE, ROOT, ANode, free_port, storescu, until

UI = "/orthogen/ui"
HOSTILE = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
WITH_HEADER = {"X-Orthogen": "1", "Content-Type": "application/x-www-form-urlencoded"}
HOLD_RULE = {
    "Name": "strict",
    "When": {"Modality": {"Equals": "CT"}, "SeriesDescription": {"Equals": "HOLD ME"}},
    "Pipeline": "ct-strict",
    "Stop": True,
    "SendTo": ["PACS"],
}
RULES = [HOLD_RULE, {**CT_RULE, "Series": {"SeriesDescription": {"Contains": "alert"}}}]


def strict_pipeline(folder: Path) -> Path:
    """The shipped pipeline under another name and limits that nothing can keep."""
    target = folder / "ct-strict"
    shutil.copytree(ROOT / "pipelines" / "ct-denoise", target)
    manifest = json.loads((target / "pipeline.json").read_text())
    manifest["Name"] = "ct-strict"
    manifest["Gate"] = {**manifest["Gate"], "NoiseRatioHold": [0.98, 0.99], "NoiseRatioWarn": [0.98, 0.99]}
    (target / "pipeline.json").write_text(json.dumps(manifest))
    return folder


def series_of(files: list[Path], folder: Path, description: str) -> list[Path]:
    """The same images as a series of their own, in one study, of a patient who must not be shown."""
    folder.mkdir()
    series_uid = generate_uid()
    for path in files:
        dataset = dcmread(path)
        dataset.SeriesInstanceUID, dataset.SeriesDescription = series_uid, description
        dataset.PatientName, dataset.PatientID = "Unshown^Person", "UNSHOWN-4711"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(folder / path.name)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[ANode]:
    folder = tmp_path_factory.mktemp("pages")
    strict = strict_pipeline(folder / "pipelines")
    nobody = {"Aet": "NOBODY", "Host": "127.0.0.1", "Port": free_port()}
    folders = ["pipelines", str(strict)]
    section = {"PipelineFolders": folders, "Rules": RULES, "Destinations": {"PACS": nobody}}
    with ANode(folder / "storage", section) as node:
        storescu(series_of(ct_files[:4], folder / "hostile", HOSTILE), node.dicom_port)
        storescu(series_of(ct_files[:3], folder / "held", "HOLD ME"), node.dicom_port)
        node.ended_jobs(2)
        node.settled()
        yield node


@pytest.fixture(scope="module")
def done(node: ANode) -> dict[str, Any]:
    return next(job for job in node.jobs() if job["pipeline"] == "ct-denoise")


@pytest.fixture(scope="module")
def addresses(node: ANode, done: dict[str, Any]) -> list[str]:
    """Every page there is."""
    return [
        *("", "/", "/overview", "/jobs", "/jobs?state=done", "/study", "/rules", "/pipelines"),
        "/destinations",
        f"/job?id={done['id']}",
        f"/study?uid={done['study_instance_uid']}",
        "/model-card?name=ct-denoise",
    ]


def shown(node: ANode, path: str) -> str:
    answer = node.request("GET", UI + path)
    assert answer.status == 200, path
    return answer.data.decode("ascii")


def sent(node: ANode, path: str, headers: dict[str, str], **form: str) -> urllib3.BaseHTTPResponse:
    body = urlencode(form)
    return urllib3.request(
        "POST", node.url + UI + path, body=body, headers=headers, retries=False, timeout=20
    )


def without_header(node: ANode, path: str, **form: str) -> urllib3.BaseHTTPResponse:
    return sent(node, path, {"Content-Type": "application/x-www-form-urlencoded"}, **form)


def test_every_page_is_html_under_a_strict_policy(node: ANode, addresses: list[str]) -> None:
    for address in addresses:
        answer = node.request("GET", UI + address)
        assert answer.status == 200, address
        assert answer.headers["Content-Type"].startswith("text/html"), address
        policy = answer.headers["Content-Security-Policy"]
        for directive in (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'self'",
        ):
            assert directive in policy
        assert "unsafe" not in policy


def test_no_page_names_an_address_elsewhere_or_holds_inline_script_or_style(
    node: ANode, addresses: list[str]
) -> None:
    for address in addresses:
        html = shown(node, address)
        # A model card is text: what it quotes is not followed.
        links = re.findall(r"""(?:href|src|action|hx-\w+)=["']([^"']*)""", html)
        assert [link for link in links if "//" in link or link.startswith("/")] == [], address
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html), address


def test_no_page_shows_who_the_patient_is(node: ANode, addresses: list[str]) -> None:
    for address in addresses:
        assert "unshown" not in shown(node, address).lower(), address


def test_a_hostile_series_description_is_escaped(node: ANode, done: dict[str, Any]) -> None:
    study = shown(node, f"/study?uid={done['study_instance_uid']}")
    job = shown(node, f"/job?id={done['id']}")
    assert ESCAPED in study
    assert ESCAPED in job
    assert HOSTILE not in study + job


@pytest.mark.parametrize("path", ["/study?uid=", "/jobs?state=", "/job?id=", "/model-card?name="])
def test_a_hostile_address_is_escaped_too(node: ANode, path: str) -> None:
    answer = node.request("GET", UI + path + "%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert b"<script>alert" not in answer.data
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_what_does_not_exist_is_said_on_a_page(node: ANode) -> None:
    for path, status in (("/nothing", 404), ("/job?id=none", 404), ("/jobs?state=lost", 400)):
        answer = node.request("GET", UI + path)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/html")
    assert "Neither Orthanc nor this node" in shown(node, "/study?uid=1.2.3")


def test_an_address_without_the_last_slash_finds_its_links(node: ANode) -> None:
    address = node.url + "/orthogen/jobs?state=done"
    answer = urllib3.request("GET", address, redirect=False, timeout=20)
    assert (answer.status, answer.headers["Location"]) == (307, "ui/jobs?state=done")


def test_actions_need_the_header_that_no_form_can_send(node: ANode, done: dict[str, Any]) -> None:
    for path in ("/job-act", "/rules-save", "/rules-back"):
        assert without_header(node, path, id=done["id"], action="cancel", rules="[]").status == 400, path
    assert node.get("/orthogen/api/rules")["version"] == 1


def test_an_action_that_the_state_forbids_is_refused_in_words(node: ANode, done: dict[str, Any]) -> None:
    answer = sent(node, "/job-act", WITH_HEADER, id=done["id"], action="release")
    assert answer.status == 409
    assert b"only a job that is held can be released" in answer.data


def test_a_held_result_can_be_seen_before_it_is_released(node: ANode) -> None:
    (held,) = node.jobs(state="held")
    assert f"aside.png?id={held['id']}" in shown(node, f"/job?id={held['id']}")
    assert node.request("GET", f"{UI}/aside.png?id={held['id']}").data.startswith(b"\x89PNG")


def test_the_study_page_names_every_rule_and_the_value_it_saw(node: ANode, done: dict[str, Any]) -> None:
    html = shown(node, f"/study?uid={done['study_instance_uid']}")
    assert html.count("<strong>denoise CT</strong>") == html.count("<strong>strict</strong>") == 2
    assert "HOLD ME" in html
    assert "a result is never input" in html


def test_a_check_shows_path_and_remedy_and_works_without_script(node: ANode) -> None:
    wrong = json.dumps([{**CT_RULE, "When": {"Modalty": {"Equals": "CT"}}}])
    answer = without_header(node, "/rules-check", rules=wrong)
    assert answer.status == 422
    assert b"Rules[0].When.Modalty" in answer.data
    assert b"did you mean &#39;Modality&#39;?" in answer.data
    assert b"line 1 column 2" in without_header(node, "/rules-check", rules="{").data


def test_a_dry_run_on_typed_values_a_stored_study_and_a_file_gives_reasons(
    node: ANode, done: dict[str, Any], ct_files: list[Path]
) -> None:
    rules = json.dumps([{**CT_RULE, "When": {"Modality": {"Equals": "CT"}, "Rows": {"AtLeast": 9}}}])
    typed = without_header(node, "/rules-try", rules=rules, typed="Modality = MR\nRows = 7")
    assert b"does not apply" in typed.data
    assert b"wants Modality Equals CT, saw MR" in typed.data
    uid = done["study_instance_uid"]
    stored = without_header(node, "/rules-try", rules=rules, study_instance_uid=uid)
    assert b"matched" in stored.data
    text = base64.b64encode(ct_files[0].read_bytes()).decode()
    dropped = without_header(node, "/rules-try", rules=rules, file_base64=text)
    assert b"rule &#39;denoise CT&#39; matched" in dropped.data
    nothing = without_header(node, "/rules-try", rules=rules)
    assert nothing.status == 422
    assert len(node.jobs()) == 2


def test_rules_are_saved_with_a_comment_refused_when_stale_and_rolled_back(node: ANode) -> None:
    rules = json.dumps([*RULES, {**CT_RULE, "Name": "third", "Enabled": False}])
    saved = sent(node, "/rules-save", WITH_HEADER, rules=rules, comment="a third & last", based_on="1")
    assert saved.status == 200, saved.data
    assert b"Version 2 is in force" in saved.data
    assert node.get("/orthogen/api/rules")["comment"] == "a third & last"
    assert "a third &amp; last" in shown(node, "/rules")
    stale = sent(node, "/rules-save", WITH_HEADER, rules="[]", based_on="1")
    assert stale.status == 422
    assert b"version 2" in stale.data
    assert sent(node, "/rules-back", WITH_HEADER, version="1").status == 200
    assert len(node.get("/orthogen/api/rules")["rules"]) == len(RULES)


@pytest.fixture(scope="module")
def browser() -> Iterator[ABrowser]:
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}")
    with ABrowser() as browser:
        yield browser


def test_from_jobs_to_a_job_to_its_study(node: ANode, browser: ABrowser, done: dict[str, Any]) -> None:
    browser.open(node.url + UI + "/jobs")
    assert browser.title == "Jobs - Orthogen"
    browser.click(f'a[href="job?id={done["id"]}"]')
    until(lambda: browser.title.startswith("Job "), "the job's page")
    assert "ct-denoise" in browser.text("h1")
    until(lambda: browser.run(ALL_SHOWN), "pictures that Orthanc renders")
    browser.click("#why-study")
    until(lambda: browser.title.startswith("Why"), "the study's page")
    assert HOSTILE in browser.text("main")
    assert browser.complaints() == []


def test_the_list_refreshes_itself(node: ANode, browser: ABrowser) -> None:
    browser.open(node.url + UI + "/jobs")
    browser.run("document.querySelector('#live').dataset.old = 'yes'")
    until(lambda: browser.run("return !document.querySelector('#live').dataset.old"), "a refresh", 6)


def test_rules_are_checked_and_tried_in_place(node: ANode, browser: ABrowser) -> None:
    browser.open(node.url + UI + "/rules")
    browser.type("textarea[name=typed]", "Modality = CT\nSeriesDescription = alert")
    browser.click("#try")
    until(lambda: "matched" in browser.text("#outcome"), "the dry run's outcome")
    assert browser.address.endswith("/rules")
    browser.type("#rules", "x")
    browser.click("#check")
    until(lambda: "not JSON" in browser.text("#outcome"), "the check's outcome")


def test_a_chosen_file_is_tried(node: ANode, browser: ABrowser, ct_files: list[Path]) -> None:
    browser.open(node.url + UI + "/rules")
    browser.type("#file", str(ct_files[0]))
    until(lambda: browser.run("return document.querySelector('#file-base64').value !== ''"), "the file")
    browser.click("#try")
    until(lambda: "denoise CT" in browser.text("#outcome"), "the dry run's outcome")


def test_orthanc_explorer_leads_to_the_study(node: ANode, browser: ABrowser, done: dict[str, Any]) -> None:
    (study,) = node.get("/studies")
    browser.open(f"{node.url}/app/explorer.html#study?uuid={study}")
    until(lambda: browser.count("#orthogen-study li a") == 1 + len(node.jobs()), "the links")
    browser.run("document.querySelector('#orthogen-study a').click()")
    until(lambda: browser.title.startswith("Why"), "the study's page")
    assert done["study_instance_uid"] in browser.address


def test_a_held_result_is_released_after_a_question(node: ANode, browser: ABrowser) -> None:
    (held,) = node.jobs(state="held")
    browser.open(f"{node.url}{UI}/job?id={held['id']}")
    browser.click("#release")
    browser.accept_question()
    until(lambda: browser.count("h1 + p .state-delivering") > 0, "the released job")
    assert node.jobs(state="held") == []
    until(lambda: "PACS" in browser.text("#live"), "its delivery")
    assert "AI-processed" in browser.text("#job")


ALL_SHOWN = """
const pictures = [...document.querySelectorAll('.triptych img')];
return pictures.length >= 3 && pictures.every(one => one.complete && one.naturalWidth > 0);
"""
