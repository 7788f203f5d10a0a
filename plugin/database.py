"""The one database: our ledger and DBOS's tables in the same place, so that one transaction covers both.

SQLite is in write-ahead mode (DBOS leaves that to its user), its file readable by this user only, because
whoever writes it decides what the node does.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from dbos import DBOS

from plugin.tables import METADATA

BUSY_TIMEOUT_MS = 30_000


def database_url(database: str, state_folder: Path) -> str:
    """The SQLAlchemy URL of the setting `Database`."""
    if database == "sqlite":
        return f"sqlite:///{state_folder / 'orthogen.sqlite'}"
    return database.replace("postgresql://", "postgresql+psycopg://", 1)


def open_engine(url: str) -> sa.Engine:
    """An engine whose write transactions take their lock at once: writers queue instead of failing."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, pool_size=8, max_overflow=8)
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def prepare_database(url: str) -> None:
    """Makes or upgrades every table; safe to call by several processes, one after the other."""
    if url.startswith("sqlite"):
        _make_private_wal_file(Path(url.removeprefix("sqlite:///")))
    DBOS.migrate(url)
    engine = open_engine(url)
    METADATA.create_all(engine)
    _add_missing_columns(engine)
    engine.dispose()


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
