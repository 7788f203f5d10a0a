"""The node's own disk fills in the middle of a delivery."""

from __future__ import annotations

from pathlib import Path

from pynetdicom import evt

from tests.node.a_destination import SLICES, Peer, a_node, only_job, results, until_in
from tests.node.a_node import storescu
from tests.node.a_small_disk import a_small_disk
from tests.node.test_disk_full import NO_FLOOR, alarm


def test_a_disk_that_fills_during_a_delivery_delays_it_and_loses_no_image(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    with a_small_disk(tmp_path / "storage" / "orthogen", 24) as disk:

        def full_from_the_third(peer: Peer, _event: evt.Event) -> int:
            if peer.calls == 3:
                disk.fill()
            return 0x0000

        with (
            Peer(full_from_the_third) as peer,
            a_node(tmp_path / "storage", {"PACS": peer.section()}, **NO_FLOOR) as node,
        ):
            storescu(ct_files[:SLICES], node.dicom_port)
            alarm(node, "disk full", "make room")
            assert peer.calls >= 3
            disk.make_room()
            delivered = until_in(node, "PACS", "delivered", "failed", within_s=240)
            assert (delivered["state"], delivered["sent"]) == ("delivered", SLICES)
            (job,) = node.ended_jobs(1)
            assert (job["state"], job["attempts"]) == ("done", 1)
            assert sorted(set(peer.stored)) == results(node)
            assert only_job(node)["reasons"] == job["reasons"]
