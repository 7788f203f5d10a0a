"""The rows of deliveries, and how one is changed: only from an expected state, only at its present turn."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from plugin.tables import DELIVERIES

OPEN = ("queued", "sending", "waiting", "committing")
STATES = (*OPEN, "delivered", "failed")


@dataclass(frozen=True)
class Delivery:
    """All results of one job to one destination. Times are seconds since 1970."""

    job_id: str
    destination: str
    state: str = "queued"
    turn: int = 1
    attempts: int = 0
    last_error: str | None = None
    next_attempt: float | None = None
    waits_for: str | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None


def add_delivery(connection: sa.Connection, job_id: str, destination: str) -> Delivery:
    """The delivery, new or as it is: adding one twice is the same as once."""
    there = delivery_in(connection, job_id, destination)
    if there is not None:
        return there
    delivery = Delivery(job_id, destination, created=time.time())
    connection.execute(sa.insert(DELIVERIES).values(**asdict(delivery)))
    return delivery


def delivery_in(connection: sa.Connection, job_id: str, destination: str) -> Delivery | None:
    query = sa.select(DELIVERIES).where(*_key(job_id, destination)).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return Delivery(**row) if row else None


def deliveries_in(connection: sa.Connection, **equals: str) -> list[Delivery]:
    """The deliveries whose columns have these values, oldest first."""
    query = sa.select(DELIVERIES).order_by(DELIVERIES.c.created, DELIVERIES.c.destination)
    for column, value in equals.items():
        query = query.where(DELIVERIES.c[column] == value)
    return [Delivery(**row) for row in connection.execute(query).mappings()]


def open_elsewhere(connection: sa.Connection, destinations: Collection[str]) -> list[Delivery]:
    """Open deliveries to other destinations than these."""
    query = sa.select(DELIVERIES).where(
        DELIVERIES.c.state.in_(OPEN), DELIVERIES.c.destination.not_in(list(destinations))
    )
    return [Delivery(**row) for row in connection.execute(query).mappings()]


def change_delivery(
    connection: sa.Connection, delivery: Delivery, *, expect: Sequence[str] = OPEN, **columns: Any
) -> bool:
    """False, and nothing changed, if it is in another state by now, or another process has taken it."""
    change = (
        sa.update(DELIVERIES)
        .where(
            *_key(delivery.job_id, delivery.destination),
            DELIVERIES.c.turn == delivery.turn,
            DELIVERIES.c.attempts == delivery.attempts,
            DELIVERIES.c.state.in_(expect),
        )
        .values(**columns)
    )
    return connection.execute(change).rowcount == 1


def is_same(present: Delivery, mine: Delivery) -> bool:
    """Whether nobody has taken it since: `turn` and `attempts` are its fencing token."""
    return (present.turn, present.attempts) == (mine.turn, mine.attempts)


def depth(connection: sa.Connection, destination: str) -> Mapping[str, int]:
    """How many of its deliveries are in each state; every state is named."""
    query = (
        sa.select(DELIVERIES.c.state, sa.func.count())
        .where(DELIVERIES.c.destination == destination)
        .group_by(DELIVERIES.c.state)
    )
    found = {state: count for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in STATES}


def _key(job_id: str, destination: str) -> tuple[Any, Any]:
    return DELIVERIES.c.job_id == job_id, DELIVERIES.c.destination == destination
