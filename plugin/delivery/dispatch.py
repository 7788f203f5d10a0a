"""Deliveries into their queues, from turn to turn, and out: with the last of them the job ends.

Each change of a row and the queue entry it needs are one transaction, so an open delivery always has its
turn in the queue, whatever is killed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions

from plugin.delivery.contact import end_rest, note_success
from plugin.delivery.deliveries import (
    OPEN,
    Delivery,
    add_delivery,
    change_delivery,
    deliveries_in,
    open_elsewhere,
)
from plugin.delivery.images import try_refused_again
from plugin.ended import ACTIVE, Seldom, ended_among
from plugin.json_rows import JsonRows
from plugin.ledger import Job, Ledger
from plugin.submit import APPLICATION, APPLICATION_VERSION, PRIORITIES
from plugin.tables import COMMITMENTS, JOBS

WORKFLOW = "deliver"
CALLS = "deliveries"
"""What the sender is woken for."""
FAILED = "delivery to "
NOT_CONFIGURED = "no such destination is configured any more; name it in Destinations, then retry"
LOOK_AT_WAITING_EVERY_S = 60.0


def after_results(job: Job) -> str:
    """The state of a job whose results are in Orthanc: a shadow job's are not, so they go nowhere."""
    return "delivering" if job.send_to and job.mode == "live" else "done"


def is_made(job: Job) -> bool:
    """Whether the last attempt has made a whole result that nobody has refused: it is in Orthanc, or was."""
    dropped = job.verdict == "HOLD" and job.on_hold == "drop"
    return job.verdict is not None and job.stage != "rejected" and not dropped


def queue_of(destination: str) -> str:
    """A queue for each, so that a dead destination delays no other."""
    return f"deliver-{destination}"


class Dispatch:
    """Where deliveries are put for the sender."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._client = DBOSClient(
            system_database_engine=ledger.engine, serializer=JsonRows(), application_name=APPLICATION
        )
        self._look_at_waiting = Seldom(LOOK_AT_WAITING_EVERY_S)

    def begin(self, connection: sa.Connection, job: Job) -> None:
        """Belongs in the transaction that makes the job `delivering`."""
        for destination in job.send_to:
            delivery = add_delivery(connection, job.id, destination)
            if delivery.state == "failed":  # of an attempt before
                self._reopen(connection, delivery)
            else:
                self._enqueue(connection, delivery)

    def of_job(self, job_id: str) -> list[Delivery]:
        with self.ledger.engine.connect() as connection:
            return deliveries_in(connection, job_id=job_id)

    def next_turn(
        self, connection: sa.Connection, delivery: Delivery, *, delay_s: float, **columns: Any
    ) -> bool:
        """Once more, later; False, and nothing changed, if it is no longer ours."""
        following = replace(delivery, turn=delivery.turn + 1)
        moment = time.time() + delay_s if delay_s else None
        changed = change_delivery(connection, delivery, turn=following.turn, next_attempt=moment, **columns)
        if changed:
            self._enqueue(connection, following, delay_s=delay_s)
        return changed

    def end(self, connection: sa.Connection, delivery: Delivery, state: str, error: str | None) -> bool:
        """Delivered, or failed with the reason; the job ends with its last delivery."""
        _lock_job(connection, delivery.job_id)
        ended: dict[str, Any] = {"state": state, "last_error": error, "next_attempt": None, "waits_for": None}
        changed = change_delivery(connection, delivery, finished=time.time(), **ended)
        if changed:
            self._end_job(connection, delivery.job_id)
        return changed

    def again(self, job: Job) -> bool:
        """What failed or was cancelled of a job's deliveries once more, past the inference.

        False if the job has none, is not in such a state, or has no result any more.
        """
        if not is_made(job):
            return False
        with self.ledger.transaction() as connection:
            undelivered = [one for one in deliveries_in(connection, job_id=job.id) if one.state == "failed"]
            reasons = [reason for reason in job.reasons if not reason.startswith(FAILED)]
            going: dict[str, Any] = {
                "state": "delivering",
                "stage": "delivering",
                "finished": None,
                "reasons": reasons,
            }
            same: dict[str, Any] = {"expect": ("failed", "cancelled"), "attempt": job.attempts}
            if not undelivered or not self.ledger.update_in(connection, job.id, **same, **going):
                return False
            for delivery in undelivered:
                self._reopen(connection, delivery)
        return True

    def _reopen(self, connection: sa.Connection, delivery: Delivery) -> None:
        """A failed one; what it has delivered stays delivered."""
        try_refused_again(connection, delivery)
        reopened = replace(delivery, turn=delivery.turn + 1, state="queued")
        fresh: dict[str, Any] = {"state": "queued", "started": None, "finished": None, "last_error": None}
        change_delivery(connection, delivery, expect=("failed",), turn=reopened.turn, **fresh)
        self._enqueue(connection, reopened)

    def cancel(self, connection: sa.Connection, job: Job) -> None:
        """Belongs in the transaction that cancels the job; a running one stops within seconds."""
        for delivery in deliveries_in(connection, job_id=job.id):
            stopped: dict[str, Any] = {
                "state": "failed",
                "last_error": "cancelled by a person",
                "next_attempt": None,
                "waits_for": None,
            }
            change_delivery(connection, delivery, finished=time.time(), **stopped)

    def hasten(self, connection: sa.Connection, destination: str) -> None:
        """The destination is well: if it was not before, what waits for it goes now."""
        if note_success(connection, destination):
            self._go_now(connection, destination)

    def reconsider(self, destination: str) -> None:
        """It is configured otherwise: what waits for it may go now."""
        with self.ledger.transaction() as connection:
            end_rest(connection, destination)
            self._go_now(connection, destination)

    def _go_now(self, connection: sa.Connection, destination: str) -> None:
        for delivery in deliveries_in(connection, destination=destination, state="waiting"):
            self.next_turn(connection, delivery, delay_s=0, state="queued", waits_for=None)

    def resume(self, destinations: Collection[str]) -> None:
        """After a start: what is open is surely in the queue, and goes to destinations that exist."""
        self.end_unconfigured(destinations)
        for delivery in self._open_deliveries(OPEN):
            with self.ledger.transaction() as connection:
                self._enqueue(connection, delivery)

    def end_unconfigured(self, destinations: Collection[str]) -> None:
        """Nobody works the queue of a destination that is no longer there."""
        with self.ledger.engine.connect() as connection:
            stranded = open_elsewhere(connection, destinations)
        for delivery in stranded:
            with self.ledger.transaction() as connection:
                self.end(connection, delivery, "failed", NOT_CONFIGURED)

    def ask_again(self, before: float, delay_s: float) -> None:
        """Reports for what was asked before that moment may have come while nobody listened."""
        for delivery in self._open_deliveries(("committing",)):
            with self.ledger.transaction() as connection:
                if asked_in(connection, delivery) < before:
                    waits = "the report of storage commitment, or to ask for it again"
                    self.next_turn(connection, delivery, delay_s=delay_s, waits_for=waits)

    def mend(self, destinations: Collection[str]) -> None:
        """A delivery whose turn was lost (the sender crashed under it too often) gets another one."""
        self.end_unconfigured(destinations)
        for delivery in self._open_deliveries(("sending",)):
            found = self._client.list_workflows(
                workflow_ids=[turn_id(delivery)], load_input=False, load_output=False
            )
            if not found or found[0].status not in ACTIVE:
                self._another_turn(delivery, "the sender crashed repeatedly during this delivery")
        if self._look_at_waiting.is_due():
            self._mend_waiting()

    def _mend_waiting(self) -> None:
        """Those whose turn ended before it took the delivery: by an error of the database, say."""
        turns = {turn_id(one): one for one in self._open_deliveries(("queued", "waiting", "committing"))}
        for ended in ended_among(self._client, list(turns)):
            self._another_turn(turns[ended], "the turn of this delivery ended before it began")

    def _another_turn(self, delivery: Delivery, reason: str) -> None:
        columns: dict[str, Any] = {"last_error": reason}
        if delivery.state != "committing":  # else the report may still come, and is looked for by that state
            columns |= {"state": "waiting", "waits_for": "its next attempt"}
        with self.ledger.transaction() as connection:
            self.next_turn(connection, delivery, delay_s=60, **columns)

    def _open_deliveries(self, states: Iterable[str]) -> list[Delivery]:
        with self.ledger.engine.connect() as connection:
            return [one for state in states for one in deliveries_in(connection, state=state)]

    def _enqueue(self, connection: sa.Connection, delivery: Delivery, *, delay_s: float = 0.0) -> None:
        job_priority = sa.select(JOBS.c.priority).where(JOBS.c.id == delivery.job_id)
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": queue_of(delivery.destination),
            "workflow_id": turn_id(delivery),
            "app_version": APPLICATION_VERSION,
            "priority": PRIORITIES[connection.execute(job_priority).scalar_one()],
        }
        if delay_s:
            options["delay_seconds"] = delay_s
        self._client.enqueue_in_transaction(
            connection, options, delivery.job_id, delivery.destination, delivery.turn
        )
        self.ledger.call(connection, CALLS)

    def _end_job(self, connection: sa.Connection, job_id: str) -> None:
        deliveries = deliveries_in(connection, job_id=job_id)
        if any(one.state in OPEN for one in deliveries):
            return
        failed = [one for one in deliveries if one.state == "failed"]
        state = "failed" if failed else "done"
        known = connection.execute(sa.select(JOBS.c.reasons).where(JOBS.c.id == job_id)).scalar_one()
        reasons = [*known, *(f"{FAILED}{one.destination} failed: {one.last_error}" for one in failed)]
        ended: Mapping[str, Any] = {"state": state, "stage": state, "reasons": reasons}
        self.ledger.update_in(connection, job_id, expect=("delivering",), finished=time.time(), **ended)


def asked_in(connection: sa.Connection, delivery: Delivery) -> float:
    """When storage commitment was last asked for; seconds since 1970."""
    query = sa.select(sa.func.max(COMMITMENTS.c.asked)).where(
        COMMITMENTS.c.job_id == delivery.job_id, COMMITMENTS.c.destination == delivery.destination
    )
    return float(connection.execute(query).scalar_one() or 0.0)


def turn_ids(connection: sa.Connection, job_id: str) -> list[str]:
    """Of every turn that a job's deliveries have had."""
    found = deliveries_in(connection, job_id=job_id)
    return [turn_id(replace(one, turn=turn + 1)) for one in found for turn in range(one.turn)]


def turn_id(delivery: Delivery) -> str:
    return f"{delivery.job_id}>{delivery.destination}#{delivery.turn}"


def _lock_job(connection: sa.Connection, job_id: str) -> None:
    """Two last deliveries that end at once must see each other (PostgreSQL; SQLite has one writer)."""
    connection.execute(sa.select(JOBS.c.id).where(JOBS.c.id == job_id).with_for_update())
