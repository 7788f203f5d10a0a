"""One good destination beside one that is down, one that turns images away, one that answers slowly and one
that drops the association: the good one gets everything meanwhile, each of the others once it works again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import evt

from tests.node.a_destination import CHANGES, Peer
from tests.node.a_node import ANode, storescu, until
from tests.node.small_studies import PIPELINE, SmallStudy, small_pipeline, small_studies

STUDIES = 4
SLICES = 6
BAD = ("DOWN", "TURNS_AWAY", "SLOW", "DROPS")
TURNED_AWAY = 0xA700
LONGEST_DELAY_S = 2.0
"""On a machine that delivers a study to the good one alone within a second; on a slower one in proportion."""


class Ward:
    """The same node first with the good destination alone, then with all of them."""

    def __init__(self, folder: Path, files: list[Path], stack: ExitStack) -> None:
        self.stack = stack
        self.works_again = threading.Event()
        self.peers = {
            "GOOD": stack.enter_context(Peer()),
            "DOWN": Peer(),
            "TURNS_AWAY": stack.enter_context(Peer(self.turn_away_every_third)),
            "SLOW": stack.enter_context(Peer(self.answer_slowly)),
            "DROPS": stack.enter_context(Peer(self.drop_every_fourth)),
        }
        section = {
            "PipelineFolders": [str(small_pipeline(folder))],
            "Destinations": {name: peer.section(TimeoutSeconds=120) for name, peer in self.peers.items()},
            "Rules": [],
            "RetrySeconds": 0.3,
        }
        self.node = stack.enter_context(ANode(folder / "storage", section))
        studies = small_studies(files, folder / "studies", count=2 * STUDIES, slices=SLICES)
        self.alone, self.together = studies[:STUDIES], studies[STUDIES:]

    def turn_away_every_third(self, peer: Peer, _event: evt.Event) -> int:
        return TURNED_AWAY if peer.calls % 3 == 0 and not self.works_again.is_set() else 0x0000

    def answer_slowly(self, _peer: Peer, _event: evt.Event) -> int:
        """The first image takes as long as the others are bad."""
        self.works_again.wait(100)
        return 0x0000

    def drop_every_fourth(self, peer: Peer, event: evt.Event) -> int:
        if peer.calls % 4 or self.works_again.is_set():
            return 0x0000
        event.assoc.abort()
        return TURNED_AWAY  # nobody hears it; what counts is that the image is not kept

    def send(self, studies: list[SmallStudy], *destinations: str) -> None:
        rule = {"Name": "all", "When": {"Modality": {"Equals": "CT"}}, "Pipeline": PIPELINE}
        rules = {"rules": [{**rule, "SendTo": list(destinations)}]}
        assert self.node.request("PUT", "/orthogen/api/rules", rules, **CHANGES).status == 200
        for study in studies:
            storescu(study.files, self.node.dicom_port)

    def deliveries(self, studies: list[SmallStudy], destination: str) -> list[dict[str, Any]]:
        wanted = {study.series_instance_uid for study in studies}
        jobs = [job for job in self.node.jobs() if job["source_series_uid"] in wanted]
        return [one for job in jobs for one in job["deliveries"] if one["destination"] == destination]

    def until_delivered(self, studies: list[SmallStudy], destination: str) -> list[dict[str, Any]]:
        def all_of_them() -> list[dict[str, Any]] | None:
            found = self.deliveries(studies, destination)
            over = [one for one in found if one["state"] == "delivered"]
            return over if len(over) == len(studies) else None

        return until(all_of_them, f"all deliveries to {destination}", within_s=180)

    def repair(self) -> None:
        self.works_again.set()
        self.stack.enter_context(self.peers["DOWN"])


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[Ward]:
    with ExitStack() as stack:
        yield Ward(tmp_path_factory.mktemp("ward"), ct_files, stack)


def seconds(delivery: dict[str, Any]) -> float:
    """From its queue to its end, by the ledger."""
    created, finished = (datetime.fromisoformat(delivery[key]) for key in ("created", "finished"))
    return (finished - created).total_seconds()


def test_four_bad_destinations_delay_the_good_one_by_less_than_two_seconds(ward: Ward) -> None:
    """The slowest of as many deliveries, against the same node without the others: machines differ."""
    ward.send(ward.alone, "GOOD")
    alone = [seconds(one) for one in ward.until_delivered(ward.alone, "GOOD")]
    ward.send(ward.together, "GOOD", *BAD)
    together = [seconds(one) for one in ward.until_delivered(ward.together, "GOOD")]
    stuck = {name: [one["state"] for one in ward.deliveries(ward.together, name)] for name in BAD}
    assert stuck["DOWN"].count("delivered") == stuck["SLOW"].count("delivered") == 0, stuck
    limit_s = LONGEST_DELAY_S * max(1.0, max(alone))
    assert max(together) - max(alone) < limit_s, (alone, together)


def test_all_is_delivered_once_they_work_again_and_nothing_twice(ward: Ward) -> None:
    ward.repair()
    for name in BAD:
        for one in ward.until_delivered(ward.together, name):
            assert (one["sent"], one["refused"]) == (SLICES, []), one
    ward.node.ended_jobs(2 * STUDIES)
    both = set(ward.peers["GOOD"].stored)
    for name, peer in ward.peers.items():
        count = SLICES * STUDIES * (2 if name == "GOOD" else 1)
        assert (len(peer.stored), len(set(peer.stored))) == (count, count), name
        assert set(peer.stored) <= both
    assert {job["state"] for job in ward.node.jobs()} == {"done"}
