"""One turn of a delivery, without a node: who is blamed, what is waited for, what ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.commitment import Reports
from plugin.delivery.committing import Committing
from plugin.delivery.contact import contact_in
from plugin.delivery.deliver import Deliverer
from plugin.delivery.deliveries import Delivery, delivery_in
from plugin.delivery.destination_book import DestinationBook, WantedDestinations
from plugin.delivery.dispatch import Dispatch
from plugin.delivery.images import Image, plan_images
from plugin.delivery.plan import confirmed_before
from plugin.ledger import Job, Ledger
from plugin.orthanc_rest import OrthancAddress, OrthancRest
from plugin.settings import Settings
from tests.node.a_destination import Peer
from tests.node.a_node import free_port
from tests.node.a_postgres import APostgres

NOBODY = {"Aet": "X", "Host": "127.0.0.1", "Port": 104}


@dataclass
class Desk:
    """A delivery to X in its first turn; our own Orthanc does not answer."""

    ledger: Ledger
    deliverer: Deliverer

    @classmethod
    def at(cls, folder: Path, database: str = "sqlite") -> Desk:
        prepare_database(url := database_url(database, folder))
        ledger = Ledger(open_engine(url))
        dispatch = Dispatch(ledger)
        nowhere = OrthancRest(OrthancAddress(f"http://127.0.0.1:{free_port()}", None))
        committing = Committing(dispatch, Reports(dispatch), has_port=False)
        settings = Settings(secret_folder=str(folder), retry_seconds=60)
        book = DestinationBook(ledger.engine)
        desk = cls(ledger, Deliverer(nowhere, dispatch, settings, book, "ORTHOGEN", committing))
        job = a_job()
        with ledger.transaction() as connection:
            ledger.add(connection, job)
            dispatch.begin(connection, job)
        return desk

    def turn(self, **written: Any) -> str:
        """Its first turn, with X configured so, or not at all."""
        destinations = {"X": written} if written else {}
        assert self.deliverer.book.change(WantedDestinations(destinations, "test")) == []
        return self.deliverer.deliver("job", "X", 1)

    def plan(self, image: Image) -> None:
        mine = self.delivery
        with self.ledger.transaction() as connection:
            plan_images(connection, mine, [image])

    @property
    def delivery(self) -> Delivery:
        with self.ledger.transaction() as connection:
            found = delivery_in(connection, "job", "X")
        assert found is not None
        return found

    @property
    def breaker(self) -> str:
        with self.ledger.engine.connect() as connection:
            return contact_in(connection, "X").breaker


def a_job() -> Job:
    words = ("rule", "pipeline", "pipeline_version", "study_instance_uid", "source_series_uid", "key")
    fixed: dict[str, Any] = dict.fromkeys(words, "1.2.3")
    return Job(
        id="job",
        state="delivering",
        mode="live",
        on_hold="keep",
        priority="routine",
        send_to=("X",),
        series_orthanc_id="s",
        instances=(),
        result_series_uids=("1.2.3.4",),
        **fixed,
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path)


def test_a_destination_is_not_blamed_for_our_own_orthanc(desk: Desk) -> None:
    assert desk.turn(**NOBODY) == "waiting"
    assert (desk.breaker, desk.delivery.turn, desk.delivery.attempts) == ("closed", 2, 1)
    assert "Orthanc does not answer" in (desk.delivery.last_error or "")


def test_a_secret_that_is_not_there_is_waited_for(desk: Desk) -> None:
    url = {"Type": "orthanc", "Url": "http://127.0.0.1:9", "User": "u", "Password": {"File": "none"}}
    desk.plan(Image("1.2", "1.3", "1.2.840", "id"))
    assert desk.turn(**url) == "waiting"
    assert "none cannot be read" in (desk.delivery.last_error or "")
    assert desk.delivery.waits_for == "its next attempt"


def test_outside_its_hours_no_attempt_is_made(desk: Desk) -> None:
    opens = datetime.now() + timedelta(hours=2)
    window = {"From": f"{opens:%H:%M}", "To": f"{opens + timedelta(hours=1):%H:%M}"}
    assert desk.turn(**NOBODY, Schedule=window) == "waiting"
    assert (desk.delivery.attempts, desk.delivery.last_error) == (0, None)
    assert f"{opens:%Y-%m-%d %H:%M} local time" in (desk.delivery.waits_for or "")


def test_a_destination_that_is_gone_ends_the_delivery_and_the_job(desk: Desk) -> None:
    assert desk.turn() == "failed"
    job = desk.ledger.job("job")
    assert job is not None
    assert job.state == "failed"
    assert "delivery to X failed: no such destination is configured any more" in job.reasons[0]


def test_a_delivery_goes_its_way_on_postgresql_too(postgres: APostgres, tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, postgres.fresh_database())
    desk.plan(Image("1.2", "1.3", "1.2.840", "id", state="kept"))
    assert desk.turn(**NOBODY) == "delivered"
    job = desk.ledger.job("job")
    assert job is not None
    assert job.state == "done"
    assert confirmed(desk, job) == {}


def confirmed(desk: Desk, job: Job) -> dict[str, str | None]:
    destination = desk.deliverer.book.destinations()["X"]
    with desk.ledger.transaction() as connection:
        return confirmed_before(connection, desk.delivery, job, destination)


def test_an_old_turn_and_an_unknown_delivery_do_nothing(desk: Desk) -> None:
    assert desk.turn(**NOBODY) == "waiting"
    assert desk.deliverer.deliver("job", "X", 1) == "superseded"
    assert desk.deliverer.deliver("no such job", "X", 1) == "superseded"


def test_what_the_destination_has_already_is_not_sent_and_the_delivery_ends(desk: Desk) -> None:
    with Peer() as peer:
        desk.plan(Image("1.2", "1.3", "1.2.840", "id", state="kept"))
        assert desk.turn(**peer.section()) == "delivered"
        assert peer.calls == 0
