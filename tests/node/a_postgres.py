"""A PostgreSQL cluster of the tests' own: Debian's binaries, a folder in /tmp, a free port on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.node.a_node import free_port

INSTALLED = Path("/usr/lib/postgresql")
USER, PASSWORD = "orthogen", "made for the tests"
UNPRIVILEGED = ("postgres", "nobody")
"""initdb and the server refuse to run as root."""
SETTINGS = ("fsync=off", "max_connections=300", "shared_buffers=32MB", "unix_socket_directories={folder}")


def binaries() -> Path:
    """The newest installed version's."""
    assert is_installed(), "PostgreSQL is missing; install Debian's postgresql (`make test` does)"
    return max(INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])).parent


def is_installed() -> bool:
    return any(INSTALLED.glob("*/bin/initdb"))


@dataclass
class APostgres:
    """One cluster, and databases in it; connections from this machine need the password."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp")))
    port: int = field(default_factory=free_port)
    listens_on: str = "127.0.0.1"
    databases: int = 0

    def __enter__(self) -> APostgres:
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            user = pwd.getpwnam(self._user())
            for path in (self.folder, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        try:
            how = ["-A", "scram-sha-256", "-U", USER, f"--pwfile={password}", "--no-sync", "-E", "UTF8"]
            self._run("initdb", "-D", self._data, *how)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        options = [f"-c {setting}".format(folder=self.folder) for setting in SETTINGS]
        options += [f"-p {self.port}", f"-c listen_addresses={self.listens_on}"]
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(log), "-o", " ".join(options), "start")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is a crash: it recovers at the next start."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        return f"postgresql://{USER}:{PASSWORD.replace(' ', '%20')}@{host}:{self.port}/{database}"

    def fresh_database(self) -> str:
        """The URL of a new, empty database."""
        self.databases += 1
        name = f"orthogen_{self.databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _user(self) -> str:
        known = {entry.pw_name for entry in pwd.getpwall()}
        return next(name for name in UNPRIVILEGED if name in known)

    def _run(self, program: str, *arguments: str) -> None:
        as_user: list[str] = []
        if os.geteuid() == 0:
            as_user = [
                "setpriv",
                f"--reuid={self._user()}",
                f"--regid={pwd.getpwnam(self._user()).pw_gid}",
                "--clear-groups",
            ]
        command = [*as_user, str(binaries() / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
