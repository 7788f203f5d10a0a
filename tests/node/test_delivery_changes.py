"""Destinations changed on a running node: added, hastened, kept to their hours, removed."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from tests.node.a_certificate import certificates
from tests.node.a_destination import (
    CHANGES,
    SLICES,
    Peer,
    delivery,
    dicomweb_plugin,
    results,
    second_orthanc,
    send_report,
    until_in,
)
from tests.node.a_node import CT_RULE, ANode, free_port, storescu, until

SECRET = "s3cret"


class Site:
    """A node that knows no destination, and two receivers that speak HTTP."""

    def __init__(self, folder: Path, files: list[Path], stack: ExitStack) -> None:
        self.files = files
        self.web = stack.enter_context(second_orthanc(folder / "web", Plugins=[dicomweb_plugin()]))
        user: dict[str, Any] = {"RegisteredUsers": {"gate": SECRET}, "AuthenticationEnabled": True}
        self.peer = stack.enter_context(second_orthanc(folder / "peer", **user))
        self.node = stack.enter_context(ANode(folder / "storage", {"Rules": [], "RetrySeconds": 0.3}))

    def put(self, name: str, **written: Any) -> urllib3.BaseHTTPResponse:
        return self.node.request("PUT", f"/orthogen/api/destinations/{name}", written, **CHANGES)

    def send_to(self, *names: str) -> None:
        rules = {"rules": [{**CT_RULE, "SendTo": list(names)}]}
        assert self.node.request("PUT", "/orthogen/api/rules", rules, **CHANGES).status == 200

    def run_again(self) -> dict[str, Any]:
        """The same series once more; the new job."""
        (source,) = {job["source_series_uid"] for job in self.node.jobs()}
        body = {"series_instance_uid": source, "pipeline": "ct-denoise", "force": True}
        return dict(self.node.request("POST", "/orthogen/api/jobs", body, **CHANGES).json())

    def known(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.node.get("/orthogen/api/destinations")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), ct_files[:SLICES], stack)


def delivered_to(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["destination"]: each for each in job["deliveries"]}


def closed_now() -> dict[str, str]:
    """A window of an hour that opens in two."""
    opens = datetime.now() + timedelta(hours=2)
    return {"From": f"{opens:%H:%M}", "To": f"{opens + timedelta(hours=1):%H:%M}"}


# The tests of this node build on each other, in this order.


def test_destinations_added_to_a_running_node_get_what_is_sent_to_them(site: Site) -> None:
    assert site.put("WEB", Type="dicomweb", Url=f"{site.web}/dicom-web").json()["changed"]
    password = {"User": "gate", "Password": SECRET}
    assert site.put("PEER", Type="orthanc", Url=site.peer, **password).json()["version"] == 2
    site.send_to("WEB", "PEER")
    storescu(site.files, site.node.dicom_port)
    (job,) = site.node.ended_jobs(1)
    done = delivered_to(job)
    assert (job["state"], done["WEB"]["sent"], done["PEER"]["committed"]) == ("done", SLICES, SLICES), job
    user = urllib3.make_headers(basic_auth=f"gate:{SECRET}")
    for url, headers in ((site.web, {}), (site.peer, user)):
        held = urllib3.request("GET", f"{url}/instances?expand", headers=headers).json()
        assert sorted(each["MainDicomTags"]["SOPInstanceUID"] for each in held) == results(site.node)


def test_no_answer_of_the_interface_shows_a_secret(site: Site) -> None:
    shown = site.node.get("/orthogen/api/destinations")
    versions = site.node.get("/orthogen/api/destinations/versions")
    assert SECRET not in str(shown) + str(versions)
    assert site.known()["PEER"]["configuration"]["Password"] == "(hidden)"
    assert [each["version"] for each in versions] == [2, 1]
    assert SECRET not in site.node.log()


def test_each_kind_answers_an_echo_and_says_why_not(site: Site) -> None:
    for name in ("WEB", "PEER"):
        answer = site.node.request("POST", f"/orthogen/api/destinations/{name}/echo", **CHANGES)
        assert (answer.status, answer.json()["status"]) == (200, "HTTP 200")
    site.put("WRONG", Type="orthanc", Url=site.peer, User="gate", Password="guessed")
    refused = site.node.request("POST", "/orthogen/api/destinations/WRONG/echo", **CHANGES)
    assert (refused.status, "guessed" in refused.data.decode()) == (503, False)
    assert "does not accept who calls" in refused.json()["detail"]


def test_a_bad_change_is_refused_with_its_path_and_without_the_header(site: Site) -> None:
    refused = site.put("BAD", Type="dicomweb", Url="ftp://pacs")
    assert (refused.status, refused.json()["problems"][0]["path"]) == (422, "Destinations.BAD.Url")
    assert "BAD" not in site.known()
    bare = site.node.request("DELETE", "/orthogen/api/destinations/WEB")
    assert bare.status == 400


def test_the_same_results_are_not_sent_again_unless_always(site: Site) -> None:
    site.put("WEB", Type="dicomweb", Url=f"{site.web}/dicom-web", WhenStudyReturns="ALWAYS")
    again = site.run_again()
    ended = {job["id"]: job for job in site.node.ended_jobs(2)}[again["id"]]
    done = delivered_to(ended)
    assert ended["state"] == "done"
    assert (done["WEB"]["sent"], done["WEB"]["kept"]) == (SLICES, 0)
    assert (done["PEER"]["sent"], done["PEER"]["kept"]) == (0, SLICES)


def test_outside_its_hours_a_destination_is_not_called_and_a_changed_one_is_at_once(site: Site) -> None:
    with Peer() as night:
        site.put("NIGHT", **night.section(Schedule=closed_now()))
        site.send_to("NIGHT")
        again = site.run_again()
        waiting = until_in(site.node, "NIGHT", "waiting")
        assert "its hours; they begin at" in waiting["waits_for"]
        assert (
            timedelta(hours=1) < datetime.fromisoformat(waiting["next_attempt"]) - now() < timedelta(hours=3)
        )
        assert (night.calls, waiting["attempts"], waiting["last_error"]) == (0, 0, None)
        assert site.known()["NIGHT"]["opens"] is not None
        site.put("NIGHT", **night.section())
        assert until_in(site.node, "NIGHT", "delivered")["sent"] == SLICES
        assert {job["id"]: job for job in site.node.ended_jobs(3)}[again["id"]]["state"] == "done"


def now() -> datetime:
    return datetime.now().astimezone()


def test_a_destination_that_a_rule_names_stays_and_another_goes_with_what_waits_for_it(site: Site) -> None:
    refused = site.node.request("DELETE", "/orthogen/api/destinations/NIGHT", **CHANGES)
    assert (refused.status, "sends to NIGHT" in refused.json()["detail"]) == (409, True)
    down = Peer()
    site.put("DOWN", **down.section())
    site.send_to("DOWN")
    site.run_again()
    until_in(site.node, "DOWN", "waiting")
    site.send_to()
    assert site.node.request("DELETE", "/orthogen/api/destinations/DOWN", **CHANGES).status == 200
    failed = until_in(site.node, "DOWN", "failed")
    assert "no such destination is configured any more" in failed["last_error"]
    site.put("DOWN", **down.section())
    (job,) = [job for job in site.node.jobs() if job["state"] == "failed"]
    with down:
        site.node.request("POST", f"/orthogen/api/jobs/{job['id']}/retry", **CHANGES)
        assert until_in(site.node, "DOWN", "delivered")["sent"] == SLICES


def test_the_page_asks_checks_saves_and_goes_back_and_shows_no_secret(site: Site) -> None:
    url = f"{site.node.url}/orthogen/ui"
    html = urllib3.request("GET", f"{url}/destinations").data.decode("ascii")
    assert f"{site.web}/dicom-web" in html
    assert "(hidden)" in html
    assert SECRET not in html
    assert "answered HTTP 200" in form(url, "/destinations-echo", name="PEER")
    present = site.node.get("/orthogen/api/destinations/versions")[0]
    typed = json.dumps({**present["destinations"], "BAD": {"Aet": "X" * 17, "Host": "h", "Port": 1}})
    assert "Destinations.BAD.Aet" in form(url, "/destinations-check", destinations=typed)
    slower = {**present["destinations"]["PEER"], "TimeoutSeconds": 45}
    typed = json.dumps({**present["destinations"], "PEER": slower})
    about = {"destinations": typed, "comment": "slower & safer"}
    assert "based on version 1" in form(url, "/destinations-save", based_on="1", **about)
    saved = form(url, "/destinations-save", based_on=str(present["version"]), **about)
    assert f"Version {present['version'] + 1} is in force" in saved
    assert "slower &amp; safer" in saved
    assert "answered HTTP 200" in form(url, "/destinations-echo", name="PEER"), "the password was kept"
    back = form(url, "/destinations-back", version=str(present["version"]))
    assert f"Version {present['version'] + 2} is in force" in back


def form(url: str, path: str, **fields: str) -> str:
    headers = {**CHANGES, "Content-Type": "application/x-www-form-urlencoded"}
    answer = urllib3.request("POST", url + path, body=urlencode(fields), headers=headers, retries=False)
    return answer.data.decode("ascii")


def test_an_earlier_set_of_destinations_comes_back_with_its_secrets(site: Site) -> None:
    back = site.node.request("POST", "/orthogen/api/destinations/rollback", {"version": 2}, **CHANGES)
    assert (back.status, set(site.known())) == (200, {"WEB", "PEER"})
    answer = site.node.request("POST", "/orthogen/api/destinations/PEER/echo", **CHANGES)
    assert answer.status == 200


# commitment, whatever happens meanwhile


def test_a_report_that_comes_after_a_restart_ends_the_delivery(tmp_path: Path, ct_files: list[Path]) -> None:
    """The report for the first request, long after it, on an association of its own, to a new process."""
    port = free_port()
    with Peer(commits=lambda *_: None) as peer:
        section: dict[str, Any] = {
            "Destinations": {"PACS": peer.section(StorageCommitment=True)},
            "Rules": [{**CT_RULE, "SendTo": ["PACS"]}],
            "CommitmentPort": port,
        }
        with ANode(tmp_path / "storage", section) as node:
            storescu(ct_files[:SLICES], node.dicom_port)
            until_in(node, "PACS", "committing", within_s=60)
        with ANode(tmp_path / "storage", section) as node:
            until(lambda: answered(port, peer), "the report taken in")
            assert until_in(node, "PACS", "delivered")["committed"] == SLICES
            assert node.ended_jobs(1)[0]["state"] == "done"


def answered(port: int, peer: Peer) -> bool:
    try:
        return send_report(port, peer.requests[0], set()) == 0x0000
    except AssertionError:  # nobody listens yet
        time.sleep(0.2)
        return False


def test_a_report_lost_with_the_sender_is_asked_for_again_and_taken_over_tls_only(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    """The peer reports nothing, the sender is killed: at its start it asks anew."""
    own = certificates(tmp_path / "certificates")
    theirs = ssl.create_default_context(cafile=own.authority)
    theirs.load_cert_chain(own.certificate, own.key)
    with Peer(commits=lambda *_: None) as peer:
        section: dict[str, Any] = {
            "Destinations": {"PACS": peer.section(StorageCommitment=True)},
            "Rules": [{**CT_RULE, "SendTo": ["PACS"]}],
            "CommitmentPort": free_port(),
            "CommitmentTls": {
                "Certificate": str(own.certificate),
                "PrivateKey": str(own.key),
                "TrustedCertificates": str(own.authority),
            },
        }
        with ANode(tmp_path / "storage", section) as node:
            storescu(ct_files[:SLICES], node.dicom_port)
            until_in(node, "PACS", "committing", within_s=60)
            os.kill(sender_of(node), signal.SIGKILL)
            second = until(lambda: peer.requests[1] if len(peer.requests) > 1 else None, "a second request")
            assert second.TransactionUID != peer.requests[0].TransactionUID
            assert len(second.ReferencedSOPSequence) == SLICES
            with pytest.raises(AssertionError):
                send_report(section["CommitmentPort"], second, set())
            assert until_in(node, "PACS", "committing", "delivered")["committed"] == 0
            assert send_report(section["CommitmentPort"], second, set(), theirs) == 0x0000
            until_in(node, "PACS", "delivered")
            assert len(peer.stored) == SLICES, "the images are not sent again"
            assert delivery(node, "PACS")["committed"] == SLICES


def sender_of(node: ANode) -> int:
    found = [
        pid
        for pid in node.descendants()
        if b"plugin.delivery.sender" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found[0]
