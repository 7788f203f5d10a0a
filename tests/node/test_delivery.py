"""Deliveries to real peers, good and bad: each image once, each outcome named, nobody held up by another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from tests.node.a_destination import (
    CHANGES,
    SLICES,
    Peer,
    a_node,
    delivery,
    only_job,
    report,
    results,
    second_orthanc,
    send_report,
    slowly,
    storescp,
    until_in,
)
from tests.node.a_node import ANode, free_port, storescu, until


def third_is(status: int, calls: int = 1_000_000) -> Any:
    def react(peer: Peer, _event: evt.Event) -> int:
        return status if peer.calls % 3 == 0 and peer.calls <= calls else 0x0000

    return react


def drop_at_fourth(peer: Peer, event: evt.Event) -> int:
    if peer.calls == 4:
        event.assoc.abort()
    return 0x0000


def commit_on_the_same(peer: Peer, request: Dataset, event: evt.Event) -> None:
    """The first request loses its first image."""
    first = str(request.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    event_type, answer = report(request, {first} if len(peer.requests) == 1 else set())

    def later() -> None:
        time.sleep(0.2)
        instance = "1.2.840.10008.1.20.1.1"
        event.assoc.send_n_event_report(answer, event_type, StorageCommitmentPushModel, instance)

    threading.Thread(target=later, daemon=True).start()


class Scene:
    """One job to every kind of destination at once."""

    def __init__(self, folder: Path, files: list[Path], stack: ExitStack) -> None:
        self.folder, self.report_port, pacs_port = folder, free_port(), free_port()
        self.peers = {
            "TURNS_AWAY": Peer(third_is(0xA700)),
            "REFUSES": Peer(third_is(0xC000, calls=SLICES)),
            "WARNS": Peer(third_is(0xB000)),
            "DROPS": Peer(drop_at_fourth),
            "SLOW": Peer(slowly),
            "IMPLICIT": Peer(syntaxes=(ImplicitVRLittleEndian,)),
            "COMMITS": Peer(commits=commit_on_the_same),
            "COMMITS_LATER": Peer(commits=lambda *_: None),
        }
        for peer in self.peers.values():
            stack.enter_context(peer)
        store_port = free_port()
        stack.enter_context(storescp(folder / "received", store_port))
        self.pacs = stack.enter_context(second_orthanc(folder, pacs_port, self.report_port))
        destinations = {
            name: peer.section(StorageCommitment=peer.commits is not None)
            for name, peer in self.peers.items()
        }
        at = {"Aet": "PEER", "Host": "127.0.0.1", "TimeoutSeconds": 5}
        destinations["STORESCP"] = {**at, "Port": store_port}
        destinations["ORTHANC"] = {**at, "Port": pacs_port, "StorageCommitment": True}
        self.node = a_node(folder / "storage", destinations, CommitmentPort=self.report_port)
        stack.enter_context(self.node)
        storescu(files[:SLICES], self.node.dicom_port)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path_factory.mktemp("delivery"), ct_files, stack)


def test_every_image_reaches_dcmtk_as_it_is_stored(scene: Scene) -> None:
    done = until_in(scene.node, "STORESCP", "delivered", "failed", within_s=60)
    assert (done["state"], done["sent"], done["images"]) == ("delivered", SLICES, SLICES)
    received = [dcmread(path) for path in (scene.folder / "received").iterdir()]
    assert sorted(str(each.SOPInstanceUID) for each in received) == results(scene.node)
    stored = {
        each.SOPInstanceUID: each.PixelData
        for series in scene.node.result_series()
        for file in series["Instances"]
        for each in [dcmread_of(scene.node, file)]
    }
    assert all(stored[each.SOPInstanceUID] == each.PixelData for each in received)


def dcmread_of(node: ANode, instance_orthanc_id: str) -> Dataset:
    from io import BytesIO

    return dcmread(BytesIO(node.request("GET", f"/instances/{instance_orthanc_id}/file").data))


def test_images_turned_away_for_now_are_sent_again_and_no_others(scene: Scene) -> None:
    done = until_in(scene.node, "TURNS_AWAY", "delivered", "failed")
    assert (done["state"], done["refused"]) == ("delivered", [])
    assert sorted(scene.peers["TURNS_AWAY"].stored) == results(scene.node)
    assert done["attempts"] > 1


def test_warnings_count_as_stored_and_are_named(scene: Scene) -> None:
    done = until_in(scene.node, "WARNS", "delivered", "failed")
    assert (done["state"], done["sent"], done["attempts"]) == ("delivered", SLICES, 1)
    assert [each["status"] for each in done["warned"]] == ["0xB000"] * (SLICES // 3)


def test_an_association_dropped_in_the_middle_is_taken_up_where_it_broke(scene: Scene) -> None:
    done = until_in(scene.node, "DROPS", "delivered", "failed")
    peer = scene.peers["DROPS"]
    assert (done["state"], done["attempts"]) == ("delivered", 2)
    assert set(peer.stored) == set(results(scene.node))
    assert peer.calls == SLICES + 1, "only the image whose answer was lost is sent again"


def test_a_slow_destination_is_waited_for(scene: Scene) -> None:
    done = until_in(scene.node, "SLOW", "delivered", "failed")
    assert (done["state"], done["attempts"]) == ("delivered", 1)


def test_a_destination_that_takes_implicit_only_gets_implicit(scene: Scene) -> None:
    assert until_in(scene.node, "IMPLICIT", "delivered", "failed")["state"] == "delivered"
    assert sorted(scene.peers["IMPLICIT"].stored) == results(scene.node)


def test_commitment_on_the_same_association_and_a_lost_image_is_sent_once_more(scene: Scene) -> None:
    done = until_in(scene.node, "COMMITS", "delivered", "failed")
    peer = scene.peers["COMMITS"]
    assert (done["state"], done["committed"]) == ("delivered", SLICES)
    assert [len(each.ReferencedSOPSequence) for each in peer.requests] == [SLICES, 1]
    assert len(peer.stored) == SLICES + 1


def test_a_second_orthanc_commits_on_an_association_of_its_own(scene: Scene) -> None:
    done = until_in(scene.node, "ORTHANC", "delivered", "failed")
    assert (done["state"], done["committed"]) == ("delivered", SLICES), done
    held = urllib3.request("GET", f"{scene.pacs}/statistics").json()
    assert held["CountInstances"] == SLICES


def test_delivered_is_said_only_when_a_late_report_has_come_and_strangers_are_refused(scene: Scene) -> None:
    waiting = until_in(scene.node, "COMMITS_LATER", "committing")
    assert (waiting["sent"], waiting["committed"]) == (SLICES, 0)
    (request,) = scene.peers["COMMITS_LATER"].requests
    unknown = Dataset()
    unknown.update(request)
    unknown.TransactionUID = "1.2.3"
    assert send_report(scene.report_port, unknown, set()) == 0x0110
    assert delivery(scene.node, "COMMITS_LATER")["state"] == "committing"
    lost = str(request.ReferencedSOPSequence[2].ReferencedSOPInstanceUID)
    assert send_report(scene.report_port, request, {lost}) == 0x0000
    peer = scene.peers["COMMITS_LATER"]
    again = until(lambda: peer.requests[1] if len(peer.requests) > 1 else None, "a second request")
    assert [str(item.ReferencedSOPInstanceUID) for item in again.ReferencedSOPSequence] == [lost]
    until_in(scene.node, "COMMITS_LATER", "committing")
    assert send_report(scene.report_port, again, {lost}) == 0x0000
    failed = until_in(scene.node, "COMMITS_LATER", "failed")
    assert [(each["sop_instance_uid"], each["status"]) for each in failed["refused"]] == [(lost, "0x0112")]
    assert "no such object instance" in failed["last_error"]


def test_what_is_refused_for_good_is_named_and_a_retry_sends_only_that(scene: Scene) -> None:
    failed = until_in(scene.node, "REFUSES", "failed")
    refused = {each["sop_instance_uid"] for each in failed["refused"]}
    assert {each["status"] for each in failed["refused"]} == {"0xC000"}
    peer = scene.peers["REFUSES"]
    assert (len(refused), set(peer.stored) | refused) == (SLICES // 3, set(results(scene.node)))
    (job,) = scene.node.ended_jobs(1)
    assert job["state"] == "failed"
    reasons = "; ".join(job["reasons"])
    assert "delivery to REFUSES failed" in reasons
    assert sorted(refused)[0] in reasons
    sent_before = list(peer.stored)
    answer = scene.node.request("POST", f"/orthogen/api/jobs/{job['id']}/retry", **CHANGES)
    assert (answer.status, answer.json()["state"]) == (200, "delivering")
    until_in(scene.node, "REFUSES", "delivered")
    assert set(peer.stored[len(sent_before) :]) == refused
    assert only_job(scene.node)["attempts"] == 1, "no new inference"


def test_destinations_are_listed_with_how_it_goes(scene: Scene) -> None:
    until_in(scene.node, "TURNS_AWAY", "delivered")
    listed = {each["name"]: each for each in scene.node.get("/orthogen/api/destinations")}
    assert set(listed) == {*scene.peers, "STORESCP", "ORTHANC"}
    turns_away = listed["TURNS_AWAY"]
    assert (turns_away["breaker"], turns_away["queue"]["delivered"]) == ("closed", 1)
    assert turns_away["last_success"]
    assert "0xA700" in turns_away["last_error"]


def test_an_echo_says_how_long_it_took_and_wrong_names_are_refused(scene: Scene) -> None:
    answer = scene.node.request("POST", "/orthogen/api/destinations/STORESCP/echo", **CHANGES)
    assert answer.status == 200
    assert 0 < answer.json()["seconds"] < 5
    assert scene.node.request("POST", "/orthogen/api/destinations/NONE/echo", **CHANGES).status == 404
