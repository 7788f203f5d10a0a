"""A real node for tests: Orthanc, the door, the node process and a worker, on free loopback ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import urllib3

ROOT = Path(__file__).resolve().parents[2]
ORTHOGEN = Path(sys.executable).with_name("orthogen")
CT_RULE = {"Name": "denoise CT", "When": {"Modality": {"Equals": "CT"}}, "Pipeline": "ct-denoise"}
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], T | None], what: str, within_s: float = 90.0) -> T:
    """The first value of `condition` that is not empty; fails the test when there is none in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {within_s:.0f} s in vain for {what}")


@dataclass
class ANode:
    """One node with its own storage; the context manager starts and stops it."""

    storage: Path
    section: Mapping[str, Any] = field(default_factory=dict)
    orthanc: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of Orthanc's own configuration."""
    environment: Mapping[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    dicom_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def configuration(self) -> Path:
        section = {"QuietSeconds": 0.5, "Rules": [CT_RULE], **self.section}
        own = {"DicomAet": "ORTHOGEN", "OverwriteInstances": False}
        content = {**own, **self.orthanc, "Orthogen": section}
        path = self.storage.parent / f"{self.storage.name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def start(self) -> ANode:
        ports = ["--http-port", str(self.http_port), "--dicom-port", str(self.dicom_port)]
        self.process = subprocess.Popen(
            [ORTHOGEN, "up", "--config", self.configuration(), "--storage", self.storage, *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **self.environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("orthogen ready"), f"{line}{self.process.communicate()[1]}{self.log()}"
        return self

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(15)
        self.process.communicate()
        return status

    def __enter__(self) -> ANode:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def log(self) -> str:
        path = self.storage / "orthogen" / "orthanc.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # what the node says

    def get(self, path: str) -> Any:
        return json.loads(self.request("GET", path).data)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        return urllib3.request(method, self.url + path, body=data, headers=headers, retries=False, timeout=20)

    def jobs(self, **equals: str) -> list[dict[str, Any]]:
        query = "&".join(f"{name}={value}" for name, value in equals.items())
        return list(self.get(f"/orthogen/api/jobs?{query}"))

    def ended_jobs(self, count: int, within_s: float = 240.0) -> list[dict[str, Any]]:
        """The jobs, once there are that many and all have ended."""

        def ended() -> list[dict[str, Any]] | None:
            jobs = self.jobs()
            over = [job for job in jobs if job["state"] in ("done", "held", "failed", "cancelled")]
            return jobs if len(over) == len(jobs) == count else None

        return until(ended, f"{count} ended jobs", within_s)

    def explained(self, study_instance_uid: str, count: int = 1) -> list[dict[str, Any]]:
        """The judgements on a study's series, once there are that many."""

        def judgements() -> list[dict[str, Any]] | None:
            found = self.get(f"/orthogen/api/explain?study={study_instance_uid}")["series"]
            return list(found) if len(found) >= count else None

        return until(judgements, f"{count} judgements")

    def settled(self) -> None:
        """Nothing pending, nothing queued, nothing running."""

        def quiet() -> bool:
            health = self.get("/orthogen/api/health")
            return not health["pending_series"] and not any(
                health["queue"][state] for state in ("queued", "running", "delivering")
            )

        until(quiet, "a settled node")

    # what Orthanc holds

    def series(self) -> list[dict[str, Any]]:
        return list(self.get("/series?expand"))

    def result_series(self) -> list[dict[str, Any]]:
        return [
            series
            for series in self.series()
            if series["MainDicomTags"].get("SeriesDescription", "").startswith("AI ")
        ]

    def files_of(self, series: Mapping[str, Any]) -> list[bytes]:
        return [self.request("GET", f"/instances/{each}/file").data for each in series["Instances"]]

    # its processes

    def worker_pid(self) -> int:
        return int(until(lambda: self.get("/orthogen/api/health")["workers"][0]["pid"], "a worker process"))

    def orthanc_pid(self) -> int:
        assert self.process is not None
        return next(pid for pid, parent, _ in processes() if parent == self.process.pid)

    def descendants(self) -> set[int]:
        assert self.process is not None
        found = {self.process.pid}
        while True:
            more = {pid for pid, parent, _ in processes() if parent in found} - found
            if not more:
                return found
            found |= more


def processes() -> Iterable[tuple[int, int, str]]:
    """Process id, parent's id and state of everything that runs, from /proc."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except OSError:
                continue
            state, parent = text.rpartition(")")[2].split()[:2]
            yield int(folder.name), int(parent), state


def alive(pids: Iterable[int]) -> set[int]:
    running = {pid for pid, _, state in processes() if state != "Z"}
    return set(pids) & running


def storescu(folder_or_files: Iterable[Path], port: int, called: str = "ORTHOGEN") -> None:
    """DCMTK's own client; the demonstration files are JPEG-LS lossless."""
    command = ["/usr/bin/storescu", "-xt", "-R", "-aet", "TEST", "-aec", called, "127.0.0.1", str(port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    subprocess.run([*command, *map(str, folder_or_files)], check=True, env=environment, capture_output=True)
