"""Which of the processes that take work are alive: each holds a lock under its name, and the system (a file's
lock) or the database server (PostgreSQL's advisory lock) lets go of it when the process is gone.

No clock of any host is asked. The name is new at each start: it cannot be confused with that of another host,
nor can a process that was cut off come back as the one that took its place.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote, unquote


class LifeSigns(Protocol):
    """Of all processes that share one database."""

    def suspects(self) -> set[str]:
        """The names of processes that may be gone."""

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Whether nobody holds the name; meanwhile nobody else can."""

    def held_if_dead(self, name: str) -> AbstractContextManager[bool]:
        """The same for the name of a process: one that hangs is made to let go first, one that is dead is
        forgotten afterwards.
        """


@dataclass(frozen=True)
class FileLocks:
    """Of the processes of one machine, which share one SQLite file."""

    folder: Path

    def hold(self, name: str) -> IO[str]:
        """Held until the process ends, or the file is closed."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while (handle := self._locked(name)) is None:
            continue  # another process looks at it just now
        return handle

    def suspects(self) -> set[str]:
        return {unquote(path.stem) for path in self.folder.glob("*.lock")}

    def held_if_dead(self, name: str) -> AbstractContextManager[bool]:
        return self.alone(name)

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = self._locked(name)
        if handle is None:
            yield False
            return
        with handle:
            yield True
            self._path(name).unlink(missing_ok=True)

    def _locked(self, name: str) -> IO[str] | None:
        """The file, locked, if it was free and is still the one of this name."""
        handle = self._path(name).open("a")
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle.fileno()), self._path(name).stat()):
                return handle
        handle.close()
        return None

    def _path(self, name: str) -> Path:
        """Names that earlier versions gave hold a slash."""
        return self.folder / f"{quote(name, safe='')}.lock"
