"""No job and no delivery waits for ever, and no half result stays: an attempt that ended before it began, a
database that did not answer the one who took a job, a verdict of an attempt before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from pipelines.catalog import Catalog
from pipelines.warm import WarmPipelines
from plugin import people
from plugin.database import NoAnswer, database_url, open_engine, prepare_database
from plugin.delivery.deliveries import Delivery, change_delivery
from plugin.delivery.dispatch import Dispatch
from plugin.ended import ACTIVE, ENDED, IDS_AT_ONCE, Seldom, ended_among
from plugin.folders import Folders
from plugin.holding import claim
from plugin.ledger import Job, Ledger
from plugin.life_signs import FileLocks
from plugin.orthanc_rest import OrthancAddress, OrthancRest
from plugin.own_results import OwnResults
from plugin.parts import Parts
from plugin.perform import Performer, has_no_result
from plugin.settings import Settings
from plugin.space import Space
from plugin.submit import LOST_ENDS_ALLOWED, Queue, workflow_id
from tests.node.a_node import free_port

RESULT = "1.2.3.4"


class FirstUnanswered(Ledger):
    """The database is away when a worker first wants to write."""

    unanswered = 1

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        if self.unanswered:
            self.unanswered -= 1
            raise NoAnswer(self.engine.url, ConnectionError("server closed the connection"))
        with super().transaction() as connection:
            yield connection


@dataclass(frozen=True)
class Book:
    """A database with what a node, but no worker and no sender, does in it."""

    ledger: Ledger
    queue: Queue
    dispatch: Dispatch

    @classmethod
    def at(cls, folder: Path) -> Book:
        prepare_database(url := database_url("sqlite", folder))
        ledger = Ledger(open_engine(url))
        return cls(ledger, Queue(ledger), Dispatch(ledger))

    def add(self, **columns: Any) -> Job:
        words = ("key", "rule", "pipeline", "pipeline_version", "study_instance_uid", "source_series_uid")
        fixed: dict[str, Any] = {**dict.fromkeys(words, "1.2.3"), "series_orthanc_id": "s", "instances": ()}
        fixed |= {"id": "job", "state": "queued", "mode": "live", "on_hold": "keep", "priority": "routine"}
        job = Job(**{**fixed, "send_to": (), **columns})
        with self.ledger.transaction() as connection:
            self.ledger.add(connection, job)
            if job.state == "queued":
                self.queue.enqueue(job, connection)
            if job.state == "delivering":
                self.dispatch.begin(connection, job)
        return job

    def job(self) -> Job:
        job = self.ledger.job("job")
        assert job is not None
        return job

    def delivery(self) -> Delivery:
        (delivery,) = self.dispatch.of_job("job")
        return delivery

    def turns(self) -> dict[str, str]:
        """The state of every workflow, as DBOS keeps it."""
        with self.ledger.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT workflow_uuid, status FROM workflow_status"))
            return {turn: status for turn, status in rows}

    def end_turns(self, status: str) -> None:
        """What DBOS writes when a workflow ends."""
        with self.ledger.transaction() as connection:
            change = sa.text("UPDATE workflow_status SET status = :status")
            connection.execute(change, {"status": status})


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book.at(tmp_path)
    yield book
    book.ledger.engine.dispose()


def test_what_is_half_made_after_reject_retry_and_cancel_is_withdrawn(book: Book) -> None:
    rejected = {"state": "cancelled", "stage": "rejected", "verdict": "HOLD", "figures": {"noise": 2.0}}
    rejected_job = book.add(**rejected, result_series_uids=(RESULT,), finished=1.0)
    assert not has_no_result(rejected_job)
    assert book.ledger.left_behind(before=2.0) == []

    parts = cast(Parts, book)  # of which retry and cancel use these three
    retried = people.retry(parts, rejected_job, "somebody")
    assert (retried.state, retried.verdict, retried.figures) == ("queued", None, {})
    running = claim(book.ledger, "job", 2, "worker")
    assert running is not None
    cancelled = people.cancel(parts, running, "somebody")

    assert has_no_result(cancelled)
    assert [job.id for job in book.ledger.left_behind(before=(cancelled.finished or 0) + 1)] == ["job"]


def test_an_attempt_whose_claim_the_database_did_not_answer_is_performed_all_the_same(
    book: Book, tmp_path: Path
) -> None:
    job = book.add(pipeline="none-such")
    assert a_performer(FirstUnanswered(book.ledger.engine), tmp_path).perform(job.id, 1) == "failed"
    assert (book.job().state, book.job().attempts) == ("failed", 1)
    assert "there is no pipeline 'none-such'" in book.job().reasons[0]


def test_an_attempt_that_is_not_the_present_one_is_left_alone_after_a_silence(
    book: Book, tmp_path: Path
) -> None:
    job = book.add(attempts=2)
    performer = a_performer(FirstUnanswered(book.ledger.engine), tmp_path)
    assert performer.perform(job.id, 1) == "interrupted"
    assert (book.job().state, book.job().attempts) == ("queued", 2)


def a_performer(ledger: Ledger, folder: Path) -> Performer:
    settings = Settings()
    nowhere = OrthancRest(OrthancAddress(f"http://127.0.0.1:{free_port()}", None))
    return Performer(
        name="worker",
        results=OwnResults(nowhere, ledger, FileLocks(folder / "locks")),
        queue=Queue(ledger),
        dispatch=Dispatch(ledger),
        catalog=Catalog.load([]),
        settings=settings,
        folders=Folders(Path("nowhere")),
        is_at_node=True,
        space=Space((), 0),
        pipelines=WarmPipelines(settings.execution),
    )


@pytest.mark.parametrize("status", ENDED)
def test_a_queued_job_whose_turn_ended_before_it_began_gets_another(book: Book, status: str) -> None:
    job = book.add()
    book.end_turns(status)
    book.queue.mend()
    assert (book.job().state, book.job().attempts, book.job().crashes) == ("queued", 2, 0)
    assert book.turns() == {workflow_id(job.id, 1): status, workflow_id(job.id, 2): "ENQUEUED"}


@pytest.mark.parametrize("status", ACTIVE)
def test_a_queued_job_whose_turn_is_to_come_keeps_it(book: Book, status: str) -> None:
    job = book.add()
    book.end_turns(status)
    book.queue.mend()
    assert book.job() == job
    assert book.turns() == {workflow_id(job.id, 1): status}


def test_a_queued_job_without_a_turn_gets_it_at_the_start(book: Book) -> None:
    job = book.add()
    book.queue.forget([workflow_id(job.id, 1)])
    book.queue.resume()
    assert book.job() == job
    assert book.turns() == {workflow_id(job.id, 1): "ENQUEUED"}


def test_a_queued_job_that_loses_every_turn_is_set_aside_and_says_so(book: Book) -> None:
    book.add(attempts=LOST_ENDS_ALLOWED)
    book.end_turns("ERROR")
    book.queue.mend()
    assert book.job().state == "failed"
    assert f"its turn was lost at attempt {LOST_ENDS_ALLOWED}" in book.job().reasons[0]


@pytest.mark.parametrize(
    ("state", "status"), list(zip(["queued", "waiting", "committing", "sending"], ENDED, strict=True))
)
def test_a_delivery_whose_turn_ended_and_left_it_open_gets_another(
    book: Book, state: str, status: str
) -> None:
    book.add(state="delivering", send_to=("X",))
    with book.ledger.transaction() as connection:
        assert change_delivery(connection, book.delivery(), state=state)
    book.end_turns(status)
    book.dispatch.mend({"X"})
    delivery = book.delivery()
    assert (delivery.turn, delivery.attempts) == (2, 0)
    assert delivery.state == ("committing" if state == "committing" else "waiting")
    assert book.turns() == {"job>X#1": status, "job>X#2": "DELAYED"}


@pytest.mark.parametrize("status", ACTIVE)
def test_a_delivery_whose_turn_is_to_come_keeps_it(book: Book, status: str) -> None:
    book.add(state="delivering", send_to=("X",))
    before = book.delivery()
    book.end_turns(status)
    book.dispatch.mend({"X"})
    assert book.delivery() == before
    assert book.turns() == {"job>X#1": status}


def test_more_turns_than_one_question_holds_are_all_looked_at(book: Book) -> None:
    client = book.queue._client
    for number in (0, IDS_AT_ONCE):
        book.add(id=f"job{number}", key=str(number))
    book.end_turns("ERROR")
    asked = [workflow_id(f"job{number}", 1) for number in range(IDS_AT_ONCE + 1)]
    assert ended_among(client, asked) == {"job0#1", f"job{IDS_AT_ONCE}#1"}


def test_what_is_looked_at_seldom_is_looked_at_once_in_each_period() -> None:
    hourly, always = Seldom(3600.0), Seldom(0.0)
    assert [hourly.is_due(), hourly.is_due()] == [True, False]
    assert [always.is_due(), always.is_due()] == [True, True]
