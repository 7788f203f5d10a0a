"""DBOS in a process that takes work: an executor with a name of its own, that listens to its queues only."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig
from dbos._queue import queue_worker_thread

from plugin.adopt import adopt_from_dead
from plugin.bell import OTHERWISE_S, Bell, at_once
from plugin.database import database_url, is_shared, open_engine
from plugin.folders import Folders
from plugin.json_rows import JsonRows
from plugin.ledger import Ledger
from plugin.life_signs import FileLocks, LifeSigns
from plugin.server_line import ServerLine, ServerLocks
from plugin.submit import APPLICATION, APPLICATION_VERSION

ADOPT_EVERY_S = 2.0
NO_NOTIFICATIONS_S = 60.0
"""How often DBOS looks for messages between workflows, which we do not send."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Executor:
    """This process, as the others that share the database know it."""

    name: str
    database: str
    ledger: Ledger
    bell: Bell
    signs: LifeSigns
    is_steady: Callable[[], bool]
    """Whether what it sees of the others can be believed just now."""
    lock: object
    """What says that this process lives, for as long as it is not closed."""

    @classmethod
    def begin(
        cls,
        database: str,
        state_folder: Path,
        calls: str,
        bell: Bell,
        on_call: Callable[[str], None],
        shortage: Callable[[], str] = str,
    ) -> Executor:
        """`calls`: what it is woken for; `on_call`: told what this process has put into queues of others;
        `shortage`: which disks of this machine are full, for the others to know.

        Raises:
            NoAnswer, psycopg.OperationalError: the database cannot be reached.
        """
        host, pid = socket.gethostname(), os.getpid()
        name = f"{calls}-{host}-{pid}-{uuid.uuid4().hex[:12]}"
        url = database_url(database, state_folder)
        ledger = Ledger(open_engine(url), on_call)
        if is_shared(database):
            line = ServerLine(database, name, host, pid, calls, bell.ring, shortage)
            line.open()
            return cls(name, url, ledger, bell, ServerLocks(ledger.engine), lambda: line.is_steady, line)
        locks = FileLocks(Folders(state_folder).locks)
        return cls(name, url, ledger, bell, locks, lambda: True, locks.hold(name))

    def launch(self) -> Intake:
        """Workflows must be registered before this."""
        config: dict[str, Any] = {
            "name": APPLICATION,
            "system_database_engine": self.ledger.engine,
            "system_database_url": self.database,
            "executor_id": self.name,
            "application_version": APPLICATION_VERSION,
            "serializer": JsonRows(),
            "run_migrations": False,
            "log_level": "CRITICAL",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": NO_NOTIFICATIONS_S,
        }
        dbos = DBOS(config=DBOSConfig(**config))  # type: ignore[typeddict-item]
        DBOS.listen_queues([])  # by its own threads, which only poll
        DBOS.launch()
        threading.Thread(target=self._keep_adopting, name="adopting", daemon=True).start()
        return Intake(dbos, self.bell)

    def _keep_adopting(self) -> None:
        while True:
            try:
                if self.is_steady():
                    adopt_from_dead(self.ledger, self.signs, self.name)
            except (sa.exc.SQLAlchemyError, psycopg.Error, OSError) as error:
                log.warning("looking for dead processes met %s; it goes on", type(error).__name__)
            time.sleep(ADOPT_EVERY_S)


@dataclass(frozen=True)
class Intake:
    """Where a launched executor takes work from."""

    dbos: DBOS
    bell: Bell

    def take_from(self, queues: Mapping[str, int], first: Callable[[], None] = at_once) -> None:
        """From these queues too, by name, each with how many at once; once for each name. `first` is called
        before each look, and returns when this process may take something.
        """
        for name, concurrency in queues.items():
            queue = DBOS.register_queue(
                name,
                worker_concurrency=concurrency,
                polling_interval_sec=OTHERWISE_S,
                on_conflict="always_update",
            )
            arguments = (self.bell.ears(first), self.dbos, queue)
            threading.Thread(target=queue_worker_thread, args=arguments, name=name, daemon=True).start()
