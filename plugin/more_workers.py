"""`orthogen worker`: more workers for a node, on its machine or another, in the foreground.

They share the node's PostgreSQL database and reach its Orthanc over HTTP; nothing else connects them.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa
from pydantic import SecretStr

from pipelines.errors import ConfigurationError
from plugin.access import OrthancAccess
from plugin.database import is_shared
from plugin.door.supervise import Child
from plugin.hand_over import HandOver
from plugin.reach_database import await_database
from plugin.settings import REPOSITORY, SECTION, Settings, read_configuration, read_settings

LOOK_EVERY_S = 0.2


def run_workers(path: Path, out: TextIO = sys.stdout, log: TextIO = sys.stderr) -> int:
    """Runs `Workers` worker processes until SIGTERM or Ctrl-C; returns the exit status.

    Raises:
        ConfigurationError: the configuration cannot be used for this, or the database refuses it.
    """
    configuration = read_configuration(path)
    section = configuration.get(SECTION, {})
    settings = read_settings(section)
    access = require_shared(settings)
    require_private(path, settings, access)
    storage = path.resolve().parent / str(configuration.get("StorageDirectory", "var"))
    hand_over = HandOver(
        orthanc_url=access.url,
        token=access.authorization(Path(settings.secret_folder)),
        state_folder=str(storage / "orthogen"),
        called_ae_title=str(configuration.get("DicomAet", "ORTHANC")),
        section=section,
        is_at_node=False,
    )
    hand_over.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    say = _saying(log)
    if await_database(settings.database, say, stopping.wait):
        _keep(_children(settings.workers, hand_over, say), stopping, access.url, out)
    return 0


def require_shared(settings: Settings) -> OrthancAccess:
    """Raises ConfigurationError if there is nothing to share, or no way to Orthanc."""
    if not is_shared(settings.database):
        raise ConfigurationError(
            f"{SECTION}.Database: SQLite is the node's alone",
            remedy='more workers need "Database": "postgresql://...", or raise Workers of the node',
        )
    if settings.orthanc is None:
        raise ConfigurationError(
            f"{SECTION}.Orthanc: is missing", remedy='name Orthanc: {"Url": "http://...", "User": ...}'
        )
    if settings.workers == 0:
        raise ConfigurationError(f"{SECTION}.Workers: 0 leaves nothing to run", remedy="at least 1")
    return settings.orthanc


def require_private(path: Path, settings: Settings, access: OrthancAccess) -> None:
    """Raises ConfigurationError if everybody could read a secret in the file."""
    secret = sa.make_url(settings.database).password or isinstance(access.password, SecretStr)
    if secret and path.stat().st_mode & stat.S_IROTH:
        raise ConfigurationError(
            f"{path} holds a password and everybody can read it", remedy=f"chmod o-r {path}"
        )


def _saying(log: TextIO) -> Callable[[str], None]:
    def say(line: str) -> None:
        log.write(line + "\n")
        log.flush()

    return say


def _children(count: int, hand_over: HandOver, say: Callable[[str], None]) -> list[Child]:
    # Inherited by the workers: BLAS threads would spin against the inference threads.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "plugin.worker"]
    return [Child(command, str(REPOSITORY), hand_over.line(), say) for _ in range(count)]


def _keep(children: list[Child], stopping: threading.Event, url: str, out: TextIO) -> None:
    for child in children:
        child.start()
    while not stopping.is_set() and not all(child.ready for child in children):
        time.sleep(LOOK_EVERY_S)
    if not stopping.is_set():
        out.write(f"orthogen worker ready: {len(children)} for {url}\n")
        out.flush()
    stopping.wait()
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop()
