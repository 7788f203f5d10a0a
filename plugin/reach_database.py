"""Whether the PostgreSQL database of a configuration lets us in: told at once, and what may mend itself apart
from what only a person can mend.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import sqlalchemy as sa
from dbos._migration import get_migration_versions
from psycopg import pq
from psycopg.conninfo import make_conninfo

from pipelines.errors import ConfigurationError
from plugin.database import NoAnswer, database_url, open_engine
from plugin.settings import SECTION

QUEUE_SCHEMA = "dbos"
AGAIN_S = 5.0
WITHIN_S = 10
FULL = ("too many clients", "connection slots are reserved")
"""What a server says that has no connection left; libpq does not hand out the SQLSTATE of a refused one."""


def await_database(url: str, say: Callable[[str], None], pause: Callable[[float], bool]) -> bool:
    """Asks until the server answers, and says once for each reason why it does not. False when `pause`
    (seconds) says that it is time to end.

    Raises:
        ConfigurationError: the server answers, but not to this user, password or database, or a newer version
            of this project has made the tables.
    """
    said = ""
    while True:
        try:
            require_database(url)
        except NoAnswer as error:
            if said != (said := str(error)):
                say(f"{error}; asked again every {AGAIN_S:.0f} s")
        else:
            return True
        if pause(AGAIN_S):
            return False


def require_database(url: str) -> None:
    """Raises NoAnswer if the server is away or full, else as `await_database`."""
    shown = sa.make_url(url)
    conninfo = make_conninfo(url, connect_timeout=WITHIN_S)
    answers = pq.PGconn.ping(conninfo.encode()) == pq.Ping.OK  # asked first: it may come up in between
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError as error:
        words = str(error).strip()
        if not answers or any(each in words for each in FULL):
            raise NoAnswer(shown, error) from error
        raise ConfigurationError(
            f"{SECTION}.Database: {shown.render_as_string(hide_password=True)} refuses us ({words})",
            remedy="mend user, password and database name there, or the server's pg_hba.conf",
        ) from error
    _refuse_newer(url)


def _refuse_newer(url: str) -> None:
    """Our own tables may have columns that we do not know; the queue's must be as its library wants them."""
    engine = open_engine(database_url(url, Path()))
    try:
        found, known = get_migration_versions(engine, QUEUE_SCHEMA, use_listen_notify=True)
    finally:
        engine.dispose()
    if found > known:
        raise ConfigurationError(
            f"{SECTION}.Database: the queue's tables there have version {found}, this worker knows {known}",
            remedy="install the version of this project that the node has",
        )
