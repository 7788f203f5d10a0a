"""`orthogen up`: a node in the foreground: Orthanc with the door, and everything the door starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import urllib3

from pipelines.errors import ConfigurationError, OrthogenError
from plugin.preflight import all_problems, find_orthanc, plugin_folder, require_free_ports, require_modules
from plugin.settings import REPOSITORY, SECTION, read_configuration

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 8.0
PLUGINS = ("libOrthancPython.so", "libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; None leaves the configuration's own value."""

    configuration: Path
    storage: Path | None = None
    http_port: int | None = None
    dicom_port: int | None = None


def up(wishes: Wishes, out: TextIO = sys.stdout) -> int:
    """Runs until SIGTERM or Ctrl-C; returns the exit status.

    Raises:
        OrthogenError: nothing was started, or it did not become ready; the text says why.
    """
    require_modules()
    orthanc_path = find_orthanc()
    configuration = effective_configuration(wishes)
    require_free_ports([(key, int(configuration[key])) for key in ("HttpPort", "DicomPort")])
    with Running.start(orthanc_path, configuration, wishes.configuration) as running:
        running.await_ready()
        if running.stopping:
            return running.wait()
        out.write(f"orthogen ready: {running.url}/orthogen/ui/ DICOM {running.dicom}\n")
        out.flush()
        return running.wait()


def effective_configuration(wishes: Wishes) -> dict[str, Any]:
    """The file as Orthanc will be given it, checked.

    Raises:
        ConfigurationError: the first mistake, and how many more there are.
    """
    configuration = read_configuration(wishes.configuration)
    errors = [problem for problem in all_problems(configuration) if problem.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: orthogen check {wishes.configuration})" if errors[1:] else ""
        raise ConfigurationError(
            f"{wishes.configuration}: {errors[0].path}: {errors[0].what}{more}", remedy=errors[0].allowed
        )
    base = wishes.configuration.resolve().parent
    storage = (wishes.storage or base / configuration.get("StorageDirectory", "var")).resolve()
    index = storage if wishes.storage else base / configuration.get("IndexDirectory", storage)
    overridden = {
        "StorageDirectory": str(storage),
        "IndexDirectory": str(index),
        "HttpPort": wishes.http_port or configuration.get("HttpPort", 8042),
        "DicomPort": wishes.dicom_port or configuration.get("DicomPort", 4242),
        "Plugins": plugins(configuration.get("Plugins", []), base),
        "PythonScript": str(REPOSITORY / "plugin" / "door" / "main.py"),
    }
    section = {**configuration[SECTION], "Python": configuration[SECTION].get("Python", sys.executable)}
    return {**configuration, **overridden, SECTION: section}


def plugins(wanted: list[str], base: Path) -> list[str]:
    """The configuration's own, and those the node needs beside them."""
    folder = plugin_folder()
    needed = [str(folder / name) for name in PLUGINS] if folder else []
    own = [str(base / path) for path in wanted]
    return own + [path for path in needed if not any(covers(Path(each), Path(path)) for each in own)]


def covers(given: Path, needed: Path) -> bool:
    """Whether loading `given` (a library, or a folder of them) loads the needed one."""
    return given.name == needed.name or (given / needed.name).exists()


@dataclass
class Running:
    """Orthanc as our child."""

    process: subprocess.Popen[bytes]
    configuration: dict[str, Any]
    log_path: Path
    stopping: bool = False

    @classmethod
    def start(cls, orthanc_path: Path, configuration: dict[str, Any], source: Path) -> Running:
        """`source` is the file that people edit; the node watches it."""
        state = Path(configuration["StorageDirectory"]) / "orthogen"
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = state / "orthanc.effective.json"
        write_private(file, json.dumps(configuration, indent=2))
        log_path = state / "orthanc.log"
        environment = {**os.environ, "TCP_NODELAY": "1", "ORTHOGEN_CONFIGURATION": str(source.resolve())}
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [str(orthanc_path), str(file)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return cls(process, configuration, log_path)

    @property
    def url(self) -> str:
        scheme = "https" if self.configuration.get("SslEnabled") else "http"
        return f"{scheme}://127.0.0.1:{self.configuration['HttpPort']}"

    @property
    def dicom(self) -> str:
        return f"{self.configuration.get('DicomAet', 'ORTHANC')}@127.0.0.1:{self.configuration['DicomPort']}"

    def __enter__(self) -> Running:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        return self

    def stop(self) -> None:
        self.stopping = True
        self.process.terminate()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def await_ready(self) -> None:
        """Raises OrthogenError with the reason if the node does not come up."""
        deadline = time.monotonic() + READY_WITHIN_S
        reason = "no answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None and self.stopping:
                return
            if self.process.poll() is not None:
                raise OrthogenError(
                    f"Orthanc ended with {self.process.returncode}: {last_line(self.log_path)}",
                    remedy=f"see {self.log_path}",
                )
            status, reason = self._health()
            if status in (200, 401, 403):  # without the right to ask, that it answers must do
                return
            time.sleep(0.1)
        raise OrthogenError(
            f"the node was not ready within {READY_WITHIN_S:.0f} s: {reason}", remedy=f"see {self.log_path}"
        )

    def wait(self) -> int:
        """0 after a stop we asked for; Orthanc's own status otherwise."""
        status = self.process.wait()
        return 0 if status in (0, -signal.SIGTERM) else status

    def _health(self) -> tuple[int, str]:
        users = self.configuration.get("RegisteredUsers", {})
        credentials = ":".join(next(iter(users.items()))) if users else None
        headers = urllib3.make_headers(basic_auth=credentials) if credentials else {}
        try:
            pool = urllib3.PoolManager(cert_reqs="CERT_NONE", headers=headers)
            answer = pool.request("GET", f"{self.url}/orthogen/api/health", retries=False, timeout=5.0)
        except urllib3.exceptions.HTTPError as error:
            return 0, type(error).__name__
        body = json.loads(answer.data) if answer.data[:1] == b"{" else {}
        return answer.status, str(body.get("detail") or "; ".join(body.get("reasons", [])) or answer.status)


def write_private(path: Path, text: str) -> None:
    """The configuration may hold passwords."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "its log is empty"
