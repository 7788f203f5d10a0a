"""Deliveries in trouble: outages, restarts, kills, people who cancel and release."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import evt

from pipelines.errors import PassingTrouble
from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.association import Peer as Called
from plugin.delivery.association import associated, c_store, contexts_for, hang_up
from plugin.delivery.deliveries import add_delivery, change_delivery
from plugin.delivery.destination import DicomDestination
from plugin.delivery.images import Image
from plugin.delivery.progress import Progress, hung_up_when_lost
from plugin.ledger import Ledger
from tests.node.a_destination import (
    CHANGES,
    SLICES,
    Peer,
    a_node,
    delivery,
    only_job,
    results,
    slowly,
    storescp,
    until_in,
)
from tests.node.a_node import ROOT, ANode, free_port, storescu, until

# destinations that are down, and a restart


class Outage:
    """One job to a good destination and to others that do not work, until `repair`."""

    def __init__(self, folder: Path, files: list[Path], stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.good, self.dead = stack.enter_context(Peer()), Peer()
        self.silent = stack.enter_context(socket.socket())
        self.silent.bind(("127.0.0.1", 0))
        self.silent.listen()
        self.hung = Peer(port=self.silent.getsockname()[1])
        self.destinations = {
            "DEAD": self.dead.section(),
            "HUNG": self.hung.section(),
            "GOOD": self.good.section(),
            "BRIEF": Peer().section(GiveUpAfterHours=1.5 / 3600),
            "GONE": Peer().section(),
        }
        self.node = stack.enter_context(a_node(folder / "storage", self.destinations))
        storescu(files[:SLICES], self.node.dicom_port)

    def repair_and_restart(self) -> ANode:
        """The dead and the hung one work again; of the others one is no longer configured."""
        self.node.stop()
        self.silent.close()
        for peer in (self.dead, self.hung):
            self.stack.enter_context(peer)
        del self.destinations["GONE"]
        return self.stack.enter_context(a_node(self.folder / "storage", self.destinations))


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[Outage]:
    with ExitStack() as stack:
        yield Outage(tmp_path_factory.mktemp("outage"), ct_files, stack)


def test_dead_and_hung_destinations_delay_no_other(outage: Outage) -> None:
    """How much, against the same node without them: test_delivery_side_by_side."""
    until_in(outage.node, "GOOD", "delivered", within_s=60)
    assert delivery(outage.node, "DEAD")["sent"] == delivery(outage.node, "HUNG")["sent"] == 0
    assert "did not answer" in until_in(outage.node, "HUNG", "waiting")["last_error"]
    assert only_job(outage.node)["state"] == "delivering"


def test_a_delivery_is_given_up_after_its_hours(outage: Outage) -> None:
    failed = until_in(outage.node, "BRIEF", "failed")
    assert "given up after" in failed["last_error"]
    assert "cannot be reached" in failed["last_error"]


def test_a_destination_that_takes_nothing_has_an_open_breaker_and_its_echo_says_why(outage: Outage) -> None:
    until_in(outage.node, "DEAD", "waiting")
    listed = {each["name"]: each for each in outage.node.get("/orthogen/api/destinations")}
    assert listed["DEAD"]["breaker"] in ("open", "half-open")
    assert listed["DEAD"]["failing_since"]
    echo = outage.node.request("POST", "/orthogen/api/destinations/DEAD/echo", **CHANGES)
    assert echo.status == 503
    assert "cannot be reached" in echo.json()["detail"]


def test_deliveries_survive_a_restart_and_one_without_its_destination_says_so(outage: Outage) -> None:
    until_in(outage.node, "DEAD", "waiting")
    until_in(outage.node, "BRIEF", "failed")
    later = outage.repair_and_restart()
    (job,) = later.ended_jobs(1)
    assert sorted(outage.dead.stored) == sorted(outage.hung.stored) == results(later)
    assert sorted(outage.good.stored) == results(later), "what was delivered is not sent again"
    assert job["state"] == "failed"
    reasons = "; ".join(job["reasons"])
    assert "delivery to GONE failed: no such destination is configured" in reasons
    assert "delivery to BRIEF failed: given up" in reasons


# people and kills


def sender_pid(node: ANode) -> int:
    def found() -> int | None:
        for pid in node.descendants():
            if b"plugin.delivery.sender" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    return until(found, "the sender")


def strict_pipelines(folder: Path) -> Path:
    """The shipped pipeline under limits that nothing can keep, so that its result is held."""
    target = folder / "pipelines" / "ct-denoise"
    shutil.copytree(ROOT / "pipelines" / "ct-denoise", target)
    manifest = json.loads((target / "pipeline.json").read_text())
    manifest["Gate"] |= {"NoiseRatioHold": [0.98, 0.99], "NoiseRatioWarn": [0.98, 0.99]}
    (target / "pipeline.json").write_text(json.dumps(manifest))
    return target.parent


def test_a_held_result_is_delivered_after_its_release_although_the_sender_is_killed_in_the_middle(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    folders = [str(strict_pipelines(tmp_path))]
    with Peer(slowly) as peer:
        destinations = {"PACS": peer.section()}
        with a_node(tmp_path / "storage", destinations, PipelineFolders=folders) as node:
            storescu(ct_files[:SLICES], node.dicom_port)
            (job,) = node.ended_jobs(1)
            assert (job["state"], job["deliveries"], peer.calls) == ("held", [], 0)
            answer = node.request("POST", f"/orthogen/api/jobs/{job['id']}/release", **CHANGES)
            assert (answer.status, answer.json()["state"]) == (200, "delivering")
            until(lambda: peer.calls == 4, "the fourth image")
            os.kill(sender_pid(node), signal.SIGKILL)
            (job,) = node.ended_jobs(1)
            assert job["state"] == "done"
            assert set(peer.stored) == set(results(node))
            assert len(peer.stored) <= SLICES + 2


def test_a_delivery_to_a_hung_peer_can_be_cancelled_and_retried(tmp_path: Path, ct_files: list[Path]) -> None:
    let_go = threading.Event()

    def hang(peer: Peer, _event: evt.Event) -> int:
        if peer.calls == 3:
            let_go.wait(20)
        return 0x0000

    with Peer(hang) as peer:
        destinations = {"PACS": peer.section(TimeoutSeconds=60)}
        with a_node(tmp_path / "storage", destinations) as node:
            storescu(ct_files[:SLICES], node.dicom_port)
            until(lambda: peer.calls == 3, "the third image")
            job = only_job(node)
            assert node.request("POST", f"/orthogen/api/jobs/{job['id']}/cancel", **CHANGES).status == 200
            assert delivery(node, "PACS")["last_error"] == "cancelled by a person"
            time.sleep(2.0)
            let_go.set()
            time.sleep(0.5)
            assert (only_job(node)["state"], peer.calls) == ("cancelled", 3)
            node.request("POST", f"/orthogen/api/jobs/{job['id']}/retry", **CHANGES)
            assert node.ended_jobs(1)[0]["state"] == "done"
            assert set(peer.stored) == set(results(node))


def test_a_peer_that_reads_no_more_is_hung_up(tmp_path: Path, ct_files: list[Path]) -> None:
    """32 MB are more than the network holds: pynetdicom's own time-outs do not end this."""
    dataset = dcmread(ct_files[0])
    dataset.decompress()
    dataset.PixelData = dataset.PixelData * 64
    dataset.NumberOfFrames = 64
    dataset.save_as(large := BytesIO())
    image = Image(dataset.SOPInstanceUID, dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID, "none")
    prepare_database(url := database_url("sqlite", tmp_path))
    ledger, port = Ledger(open_engine(url)), free_port()
    with ledger.transaction() as connection:
        mine = add_delivery(connection, "job", "PEER")
        change_delivery(connection, mine, state="sending")
    progress = Progress(ledger, mine, limit_s=1.0)
    destination = DicomDestination(aet="PEER", host="127.0.0.1", port=port, timeout_seconds=1.0)
    called = Called("PEER", destination, "ORTHOGEN")
    with storescp(tmp_path / "received", port) as receiver, hung_up_when_lost(progress):
        with (
            associated(called, contexts_for([image])) as association,
            progress.over(partial(hang_up, association)),
        ):
            receiver.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(PassingTrouble, match="no answer"):
                c_store(association, image, large.getvalue())
        assert time.monotonic() - started < 10
        receiver.send_signal(signal.SIGCONT)
