"""The one database: our ledger and DBOS's tables in the same place, so that one transaction covers both.

SQLite is in write-ahead mode (DBOS leaves that to its user), its file readable by this user only, because
whoever writes it decides what the node does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from dbos import DBOS

from pipelines.errors import PassingTrouble
from plugin.space import REMEDY, NoSpace
from plugin.tables import METADATA

BUSY_TIMEOUT_MS = 30_000
MIGRATION_LOCK = 0x6F7274686F67656E
KEEPALIVE: Mapping[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
    " -c tcp_user_timeout=10000",
}
"""Of every connection to PostgreSQL, on both of its ends: what a machine that is cut off holds there is free
again within about 11 s."""
SQLITE_SHARED_MEMORY_FULL = sqlite3.SQLITE_IOERR_SHMSIZE
SERVER_AWAY = ("08", "57P", "53300")
"""SQLSTATE (PostgreSQL, appendix A): connection exceptions, a shutdown or start, too many connections."""
POSTGRESQL_DISK_FULL = "53100"


class DatabaseFull(NoSpace, sa.exc.OperationalError):
    """The database can take no more rows.

    Both a passing trouble, for our own code, and a lost connection, for DBOS: that one it sits out, calling
    again until it succeeds, where any other error of the database would end its workflow.
    """

    def __init__(self, found: sa.exc.DBAPIError) -> None:
        cause = found.orig or found
        sa.exc.OperationalError.__init__(self, None, None, cause, connection_invalidated=True)
        self.what, self.remedy = f"disk full: the database takes no more rows ({found.orig})", REMEDY

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class NoAnswer(PassingTrouble, sa.exc.OperationalError):
    """The database server is away, or the way to it.

    A lost connection for DBOS, as DatabaseFull is.
    """

    def __init__(self, url: sa.URL, cause: BaseException) -> None:
        sa.exc.OperationalError.__init__(self, None, None, cause, connection_invalidated=True)
        where = url.render_as_string(hide_password=True)
        why = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        self.what, self.remedy = f"the database {where} does not answer ({why})", "is it running?"

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def database_url(database: str, state_folder: Path) -> str:
    """The SQLAlchemy URL of the setting `Database`."""
    if database == "sqlite":
        return f"sqlite:///{state_folder / 'orthogen.sqlite'}"
    return database.replace("postgresql://", "postgresql+psycopg://", 1)


def is_shared(database: str) -> bool:
    """Whether other machines can reach it."""
    return database != "sqlite"


def open_engine(url: str) -> sa.Engine:
    """An engine whose write transactions take their lock at once: writers queue instead of failing."""
    if not url.startswith("sqlite"):
        engine = sa.create_engine(url, pool_pre_ping=True, connect_args=dict(KEEPALIVE))
    else:
        engine = sa.create_engine(url, pool_size=8, max_overflow=8)
        sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "handle_error", _said_in_our_words)
    return engine


def _said_in_our_words(context: sa.engine.ExceptionContext) -> DatabaseFull | NoAnswer | None:
    found, cause = context.sqlalchemy_exception, context.original_exception
    code = getattr(cause, "sqlite_errorcode", 0)
    full = code in (sqlite3.SQLITE_FULL, SQLITE_SHARED_MEMORY_FULL)
    full = full or getattr(cause, "sqlstate", None) == POSTGRESQL_DISK_FULL
    if full and isinstance(found, sa.exc.DBAPIError):
        return DatabaseFull(found)
    if context.engine is not None and is_no_answer(cause):
        return NoAnswer(context.engine.url, cause)
    return None


def is_no_answer(cause: BaseException | None) -> bool:
    """Whether it is the server that is away, and not something about what it was asked."""
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(SERVER_AWAY)


def prepare_database(url: str) -> None:
    """Makes or upgrades every table; safe to call by several processes at once.

    Raises:
        NoAnswer: the server is away.
    """
    if url.startswith("sqlite"):
        _make_private_wal_file(Path(url.removeprefix("sqlite:///")))
    engine = open_engine(url)
    try:
        with _alone(engine):
            DBOS.migrate(url)
            METADATA.create_all(engine)
            _add_missing_columns(engine)
        _add_missing_indexes(engine)
    finally:
        engine.dispose()


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    """Two nodes that start at once on one server would make the same tables."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(MIGRATION_LOCK)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATION_LOCK)))


def _add_missing_indexes(engine: sa.Engine) -> None:
    for table in METADATA.sorted_tables:
        for index in table.indexes:
            index.create(engine, checkfirst=True)


def _add_missing_columns(engine: sa.Engine) -> None:
    """A table made by an earlier version gets the columns that came later; each of those has a default."""
    for table in METADATA.sorted_tables:
        present = {column["name"] for column in sa.inspect(engine).get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                definition = sa.schema.CreateColumn(column).compile(engine)
                with engine.begin() as connection:
                    connection.execute(sa.text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _make_private_wal_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
