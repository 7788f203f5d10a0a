"""What counts as stored, how contexts are shared out, when to rest, when to call somebody."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.association import batches, contexts_for, with_status
from plugin.delivery.contact import contact_in, note_failure, note_success, pause_s
from plugin.delivery.deliveries import add_delivery, change_delivery, delivery_in
from plugin.delivery.ending import named
from plugin.delivery.images import Image
from plugin.delivery.overview import destination_alerts
from plugin.ledger import Ledger
from plugin.tables import CONTACTS


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    url = database_url("sqlite", tmp_path)
    prepare_database(url)
    return Ledger(open_engine(url))


def image(number: int = 1, syntax: str = ExplicitVRLittleEndian, sop_class: str = CTImageStorage) -> Image:
    return Image(f"2.25.{number}", sop_class, syntax, f"orthanc-{number}")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0x0000, "stored"),
        (0xB000, "stored"),
        (0xB006, "stored"),
        (0xB007, "stored"),
        (0x0111, "stored"),
        (0xA700, "pending"),
        (0xA701, "pending"),
        (0xA900, "refused"),
        (0xC000, "refused"),
        (0xCFFF, "refused"),
        (0x0110, "refused"),
        (0x0122, "refused"),
        (0x0124, "refused"),
    ],
)
def test_a_status_decides_the_fate_of_an_image(status: int, state: str) -> None:
    fate = with_status(image(), status)
    assert (fate.state, fate.status) == (state, status)
    assert bool(fate.comment) == (status != 0x0000), "everything but success is named"


def test_contexts_are_what_is_stored_and_only_uncompressed_images_may_go_implicit() -> None:
    plain, packed = contexts_for([image(1), image(2, JPEGLSLossless), image(3)])
    syntaxes = {tuple(plain.transfer_syntax), tuple(packed.transfer_syntax)}
    assert syntaxes == {(ExplicitVRLittleEndian, ImplicitVRLittleEndian), (JPEGLSLossless,)}


def test_no_association_has_more_than_128_contexts_and_no_image_is_left_out() -> None:
    images = [image(number, sop_class=f"1.2.3.{number % 300}") for number in range(600)]
    parts = list(batches(images))
    assert max(len(contexts_for(part)) for part in parts) == 128
    assert sorted(one.sop_instance_uid for part in parts for one in part) == sorted(
        one.sop_instance_uid for one in images
    )


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause_s(5, failures) for failures in (1, 2, 3)] == [5, 10, 20]
    assert pause_s(5, 40) == pause_s(5, 4000) == 3600


def test_the_breaker_opens_when_nothing_is_taken_and_the_first_success_closes_it(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        note_failure(connection, "PACS", "turned away", took_nothing=False, first_pause_s=60)
        assert contact_in(connection, "PACS").breaker == "closed"
        note_failure(connection, "PACS", "cannot be reached", took_nothing=True, first_pause_s=60)
        contact = contact_in(connection, "PACS")
        assert (contact.breaker, contact.last_error) == ("open", "cannot be reached")
        assert note_success(connection, "PACS")
        assert contact_in(connection, "PACS").breaker == "closed"
        assert not note_success(connection, "PACS")


def test_a_destination_that_has_failed_for_six_minutes_is_an_alert(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        note_failure(connection, "PACS", "cannot be reached", took_nothing=True, first_pause_s=60)
    assert destination_alerts(ledger, ["PACS"]) == []
    with ledger.transaction() as connection:
        connection.execute(sa.update(CONTACTS).values(failing_since=time.time() - 360))
    assert destination_alerts(ledger, ["PACS"]) == [
        "destination PACS has failed for 6 minutes: cannot be reached"
    ]


def test_only_the_present_turn_may_change_a_delivery(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        first = add_delivery(connection, "job", "PACS")
        assert change_delivery(connection, first, state="waiting", turn=2)
        assert not change_delivery(connection, first, state="delivered")
        assert add_delivery(connection, "job", "PACS") == delivery_in(connection, "job", "PACS")
        present = delivery_in(connection, "job", "PACS")
        assert present is not None
        assert (present.state, present.turn) == ("waiting", 2)
        assert change_delivery(connection, present, state="sending", attempts=1)
        assert not change_delivery(connection, present, state="failed"), "another process has taken it since"


def test_refused_images_are_named_with_their_status_the_first_five_of_them() -> None:
    refused = [with_status(image(number), 0xC000) for number in range(7)]
    text = named(refused, of=20)
    assert text.startswith("7 of 20 images were refused: 2.25.0 (0xC000 ")
    assert text.endswith("and 2 more")
