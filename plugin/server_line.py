"""A process's own line to PostgreSQL: the lock that says it lives, its heartbeat, and the calls that wake it.

A machine that is cut off says nothing: the server finds out by TCP keepalives within about 11 s, and drops
the lock. A process that hangs while its machine still answers is found by its heartbeat, which the database's
clock dates.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa

from plugin.database import KEEPALIVE, NoAnswer
from plugin.folders import Folders
from plugin.life_signs import FileLocks, LifeSigns
from plugin.tables import EXECUTORS

CHANNEL = "orthogen"
BEAT_S = 3.0
SILENT_S = 30.0
"""Without a heartbeat for so long a process counts as dead, whatever it holds."""
AGAIN_S = 1.0
STEADY_AFTER_S = 10.0
"""When the server itself was away, every line broke: each process gets this long to take its own up again."""
SECONDS_OF_THE_DATABASE = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
log = logging.getLogger(__name__)


@dataclass
class ServerLine:
    """Held in a thread from `open` until the process ends."""

    url: str
    """As psycopg takes it: `postgresql://...`"""
    name: str
    host: str
    pid: int
    calls: str
    """The payload of the notifications that concern this process."""
    on_call: Callable[[], None]
    shortage: Callable[[], str] = str
    """Which of this machine's disks are full; empty if none is."""
    _broken_at: float = float("-inf")

    @property
    def is_steady(self) -> bool:
        """Whether what this process sees of the locks of others can be believed."""
        return time.monotonic() - self._broken_at > STEADY_AFTER_S

    def open(self) -> None:
        """Raises psycopg.Error if the server cannot be reached now; later it is tried again for ever."""
        first = self._connected()
        # Where no session is older the server may have dropped every line a moment ago: those who live have
        # not all taken up theirs again, and who is born now cannot tell them from the dead.
        self._broken_at = time.monotonic() - oldest_session_s(first)
        threading.Thread(target=self._keep, args=(first,), name="server-line", daemon=True).start()

    def _keep(self, connection: psycopg.Connection) -> None:
        while True:
            try:
                with connection:
                    self._follow(connection)
            except psycopg.Error as error:
                log.warning("the line to the database broke (%s); it is taken up again", type(error).__name__)
            self._broken_at = float("inf")
            connection = self._connected_again()
            self._broken_at = time.monotonic()

    def _connected_again(self) -> psycopg.Connection:
        while True:
            time.sleep(AGAIN_S)
            try:
                return self._connected()
            except psycopg.Error as error:
                log.warning("the database does not answer (%s)", type(error).__name__)

    def _connected(self) -> psycopg.Connection:
        connection = psycopg.connect(self.url, autocommit=True, application_name="orthogen line", **KEEPALIVE)
        connection.execute("SELECT pg_advisory_lock(%s)", (lock_key(self.name),))
        connection.execute(f"LISTEN {CHANNEL}".encode())
        return connection

    def _follow(self, connection: psycopg.Connection) -> None:
        while True:
            self._beat(connection)
            self.on_call()  # one may have been missed
            until = time.monotonic() + BEAT_S
            while (left_s := until - time.monotonic()) > 0:
                for call in connection.notifies(timeout=left_s, stop_after=1):
                    if call.payload == self.calls:
                        self.on_call()

    def _beat(self, connection: psycopg.Connection) -> None:
        connection.execute(
            f"INSERT INTO {EXECUTORS.name} (name, calls, host, pid, shortage, started, seen)"
            " VALUES (%s, %s, %s, %s, %s, extract(epoch from clock_timestamp()),"
            " extract(epoch from clock_timestamp()))"
            " ON CONFLICT (name) DO UPDATE SET seen = EXCLUDED.seen, shortage = EXCLUDED.shortage",
            (self.name, self.calls, self.host, self.pid, self.shortage()),
        )


def oldest_session_s(connection: psycopg.Connection) -> float:
    """Age of the oldest session of this role: for so long at least the server has dropped nobody."""
    age = "SELECT max(extract(epoch from clock_timestamp() - backend_start))::float8 FROM pg_stat_activity"
    found = connection.execute(f"{age} WHERE usename = current_user".encode()).fetchone()
    return float(found[0]) if found and found[0] else 0.0


@dataclass(frozen=True)
class ServerLocks:
    """Of the processes of all machines that share one PostgreSQL database."""

    engine: sa.Engine

    def suspects(self) -> set[str]:
        silent = EXECUTORS.c.seen < SECONDS_OF_THE_DATABASE - 2 * BEAT_S
        with self.engine.connect() as connection:
            return set(connection.execute(sa.select(EXECUTORS.c.name).where(silent)).scalars())

    @contextmanager
    def held_if_dead(self, name: str) -> Iterator[bool]:
        with self.engine.begin() as connection:
            hang_up_if_silent(connection, name)
        with self.alone(name) as free:
            yield free
            if free:
                with self.engine.begin() as connection:
                    connection.execute(sa.delete(EXECUTORS).where(EXECUTORS.c.name == name))

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        key = lock_key(name)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            free = bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one())
            try:
                yield free
            finally:
                if free:
                    with suppress(NoAnswer):  # then the server has let go of it already
                        connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def life_signs(engine: sa.Engine, folders: Folders) -> LifeSigns:
    """Of the processes that share this database."""
    return ServerLocks(engine) if engine.dialect.name == "postgresql" else FileLocks(folders.locks)


@dataclass(frozen=True)
class Elsewhere:
    """A process that takes work from the same database, here or on another machine."""

    name: str
    calls: str
    host: str
    pid: int
    silent_s: float
    """Since its last heartbeat, by the database's clock."""
    shortage: str
    """Which of its disks are full; empty if none is."""


def all_executors(engine: sa.Engine) -> list[Elsewhere]:
    """Those with a heartbeat in the last half minute; none on SQLite, where the node starts all of them."""
    silent_s = (SECONDS_OF_THE_DATABASE - EXECUTORS.c.seen).label("silent_s")
    names = ("name", "calls", "host", "pid", "shortage")
    shown = (*(EXECUTORS.c[name] for name in names), silent_s)
    if engine.dialect.name != "postgresql":
        return []
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*shown).where(silent_s < SILENT_S).order_by(EXECUTORS.c.name))
        return [Elsewhere(**row) for row in rows.mappings()]


def hang_up_if_silent(connection: sa.Connection, name: str) -> None:
    """Ends the line of a process that hangs; its lock is free soon after."""
    silent = EXECUTORS.c.seen < SECONDS_OF_THE_DATABASE - SILENT_S
    if connection.execute(sa.select(EXECUTORS.c.name).where(EXECUTORS.c.name == name, silent)).first():
        unsigned = lock_key(name) % 2**64
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND classid = :high AND objid = :low AND objsubid = 1"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ),
            {"high": unsigned >> 32, "low": unsigned % 2**32},
        )


def notify(connection: sa.Connection, payload: str) -> None:
    """Wakes whom it concerns once the transaction is committed, and not if it is not."""
    connection.execute(sa.select(sa.func.pg_notify(CHANNEL, payload)))


def lock_key(name: str) -> int:
    """PostgreSQL's advisory locks have numbers of 64 bits for names."""
    digest = hashlib.sha256(f"orthogen executor {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
