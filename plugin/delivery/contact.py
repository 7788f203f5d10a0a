"""How it goes with each destination: the circuit breaker, and what to tell people.

A destination that takes nothing is left alone for a while, longer each time; its deliveries wait without
calling it. The first success ends that for all of them.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa

from plugin.tables import CONTACTS

GROWTH = 2.0
LONGEST_PAUSE_S = 3600.0
ALERT_AFTER_S = 300.0


@dataclass(frozen=True)
class Contact:
    """Times are seconds since 1970."""

    destination: str
    failures: int = 0
    failing_since: float | None = None
    rest_until: float = 0.0
    last_error: str | None = None
    last_error_at: float | None = None
    last_success: float | None = None

    @property
    def breaker(self) -> str:
        """Open: it is left alone. Half-open: the next delivery tries it."""
        if not self.failures:
            return "closed"
        return "open" if self.rest_until > time.time() else "half-open"

    @property
    def alert(self) -> str | None:
        if self.failing_since is None or time.time() - self.failing_since < ALERT_AFTER_S:
            return None
        minutes = (time.time() - self.failing_since) / 60
        return f"destination {self.destination} has failed for {minutes:.0f} minutes: {self.last_error}"


def contact_in(connection: sa.Connection, destination: str) -> Contact:
    query = sa.select(CONTACTS).where(CONTACTS.c.destination == destination)
    row = connection.execute(query).mappings().one_or_none()
    return Contact(**row) if row else Contact(destination)


def note_failure(
    connection: sa.Connection, destination: str, error: str, *, took_nothing: bool, first_pause_s: float
) -> None:
    """`took_nothing`: not one image went through, so the next delivery would fare no better."""
    before = contact_in(connection, destination)
    now = time.time()
    since = now if before.failing_since is None else before.failing_since
    after = replace(before, failing_since=since, last_error=error, last_error_at=now)
    if took_nothing:
        failures = before.failures + 1
        after = replace(after, failures=failures, rest_until=now + pause_s(first_pause_s, failures))
    _write(connection, after)


def note_success(connection: sa.Connection, destination: str) -> bool:
    """Whether it had been failing before."""
    before = contact_in(connection, destination)
    well = replace(before, failures=0, failing_since=None, rest_until=0.0, last_success=time.time())
    _write(connection, well)
    return before.failing_since is not None


def end_rest(connection: sa.Connection, destination: str) -> None:
    """The next delivery tries it, whatever was before."""
    _write(connection, replace(contact_in(connection, destination), rest_until=0.0))


def pause_s(first_pause_s: float, failures: int) -> float:
    """Twice as long after each failure, up to an hour."""
    return float(min(first_pause_s * GROWTH ** min(failures - 1, 30), LONGEST_PAUSE_S))


def _write(connection: sa.Connection, contact: Contact) -> None:
    change = sa.update(CONTACTS).where(CONTACTS.c.destination == contact.destination)
    if connection.execute(change.values(**asdict(contact))).rowcount == 0:
        connection.execute(sa.insert(CONTACTS).values(**asdict(contact)))
