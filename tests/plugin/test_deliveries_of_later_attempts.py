"""Deliveries of a job that runs once more: none is stuck, and none is of a result that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from plugin import people
from plugin.holding import claim
from plugin.ledger import Job
from plugin.parts import Parts
from tests.plugin.test_lost_turns import Book


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book.at(tmp_path)
    yield book
    book.ledger.engine.dispose()


def undelivered(book: Book) -> Job:
    """Its only delivery has failed."""
    job = book.add(state="delivering", stage="delivering", verdict="PASS", send_to=("PACS",))
    with book.ledger.transaction() as connection:
        book.dispatch.end(connection, book.delivery(), "failed", "refused")
    assert book.job().state == "failed"
    return job


def run_once_more(book: Book, **end: Any) -> None:
    """Another inference, by a worker; `end`: the columns that it ends with."""
    anew: dict[str, Any] = {"expect": ("failed",), "reasons": [], "delay_s": 0}
    assert book.queue.next_attempt(book.job(), **anew)
    running = claim(book.ledger, "job", 2, "worker")
    assert running is not None
    with book.ledger.transaction() as connection:
        assert book.ledger.update_held_in(connection, running, **end)
        if end["state"] == "delivering":
            book.dispatch.begin(connection, running)


def retried(book: Book) -> Job:
    return people.retry(cast(Parts, book), book.job(), "somebody")  # uses no more of them


def test_a_delivery_that_had_failed_goes_out_with_the_next_attempt(book: Book) -> None:
    undelivered(book)
    run_once_more(book, state="delivering", stage="delivering", verdict="PASS")
    assert (book.delivery().state, book.delivery().turn) == ("queued", 2)
    assert book.turns()["job>PACS#2"] == "ENQUEUED"


def test_a_failed_delivery_is_retried_without_another_inference(book: Book) -> None:
    undelivered(book)
    assert (retried(book).state, book.job().attempts) == ("delivering", 1)
    assert book.delivery().turn == 2


@pytest.mark.parametrize(
    "end",
    [
        {"state": "cancelled", "stage": "cancelled", "verdict": None},
        {"state": "cancelled", "stage": "rejected", "verdict": "HOLD"},
    ],
)
def test_a_result_that_is_gone_is_made_again_and_not_delivered(book: Book, end: dict[str, Any]) -> None:
    undelivered(book)
    run_once_more(book, **end)
    assert (retried(book).state, book.job().attempts) == ("queued", 3)
    assert book.delivery().state == "failed"


def test_what_the_gate_has_dropped_is_made_again_and_not_delivered(book: Book) -> None:
    book.add(state="delivering", stage="delivering", verdict="PASS", send_to=("PACS",), on_hold="drop")
    with book.ledger.transaction() as connection:
        book.dispatch.end(connection, book.delivery(), "failed", "refused")
    run_once_more(book, state="failed", stage="failed", verdict="HOLD")
    assert retried(book).state == "queued"
