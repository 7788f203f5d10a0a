"""DBOS in a process that takes work: one executor per slot, listening to its queues only."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig

from plugin.database import database_url
from plugin.json_rows import JsonRows
from plugin.submit import APPLICATION, APPLICATION_VERSION


def hold_slot(state_folder: Path, slot: str) -> Any:
    """One process per slot: a second one waits here until the first is gone, whose work is then its own."""
    handle = (state_folder / f"{slot}.lock").open("a")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def configure(engine: sa.Engine, database: str, state_folder: Path, executor: str) -> None:
    """Must come before workflows are launched. `executor`: unique on this machine, the same at each start."""
    config: dict[str, Any] = {
        "name": APPLICATION,
        "system_database_engine": engine,
        "system_database_url": database_url(database, state_folder),
        "executor_id": f"{socket.gethostname()}/{executor}",
        "application_version": APPLICATION_VERSION,
        "serializer": JsonRows(),
        "run_migrations": False,
        "log_level": "CRITICAL",
        "use_listen_notify": False,
    }
    DBOS(config=DBOSConfig(**config))  # type: ignore[typeddict-item]


def take_from(queues: Mapping[str, int], poll_s: float) -> None:
    """Begins to take work from queues, by name, each with how many at once."""
    DBOS.listen_queues(list(queues))
    DBOS.launch()
    for name, at_once in queues.items():
        DBOS.register_queue(
            name, worker_concurrency=at_once, polling_interval_sec=poll_s, on_conflict="always_update"
        )
