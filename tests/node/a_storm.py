"""A storm: studies submitted again and again while kill -9 falls on every process in turn."""

from __future__ import annotations

import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.node.a_node import ANode, alive, storescu, until
from tests.node.small_studies import SmallStudy

MODULES = {"node": "plugin.node", "worker": "plugin.worker", "sender": "plugin.delivery.sender"}
UNTIL_WORKING_S = 40.0
KILLS_UNDER_ONE_JOB = 2
"""A third would set the job aside, as it should."""


@dataclass
class Storm:
    """What falls on a node, and when: the seed gives the order of kills and submissions, and the pauses."""

    node: ANode
    seed: int
    crashes: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """What else can fall, beside the processes of the node."""
    kills: list[str] = field(default_factory=list)
    amid_work: int = 0
    """How many of the kills fell on a process with work in hand."""
    _hit: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def rage(self, studies: Sequence[SmallStudy], plan: Counter[str], *, times: int = 3) -> None:
        """Submits every study `times` times by C-STORE, spread over the planned kills (kind to how often).
        Returns when all kills have fallen and every submission was acknowledged."""
        kinds = self._shuffled(list(plan.elements()))
        submissions = self._shuffled(list(studies) * times)
        share = -(-len(submissions) // len(kinds))
        with modality(self.node) as send:
            for number, kind in enumerate(kinds):
                send(submissions[number * share : (number + 1) * share])
                self._strike(kind)

    def _shuffled(self, what: list[Any]) -> list[Any]:
        return self._random.sample(what, len(what))

    def _strike(self, kind: str) -> None:
        """At a random moment: as soon as the process is there, or in the midst of work."""
        amid_work, pause_s = self._random.random() < 0.7, self._random.uniform(0, 0.5)
        process = "worker" if kind in self.crashes else kind
        until(lambda: pid_of(self.node, process), f"a process {process}")
        deadline = time.monotonic() + (UNTIL_WORKING_S if amid_work else 0)
        while time.monotonic() < deadline and not at_work(self.node, process):
            time.sleep(0.01)
        time.sleep(pause_s)
        pid = until(lambda: None if self._spared() else pid_of(self.node, process), f"a process {process}")
        self.amid_work += at_work(self.node, process)
        self.kills.append(kind)
        if kind in self.crashes:
            self.crashes[kind]()
            return
        os.kill(pid, signal.SIGKILL)
        if kind == "orthanc":
            self._start_again()

    def _start_again(self) -> None:
        """As a service manager would; the children of the dead one end by themselves."""
        assert self.node.process is not None
        self.node.process.wait(20)
        self.node.process.communicate()
        self.node.start()

    def _spared(self) -> bool:
        """No job is hit more often than a job may be; the others still are."""
        running = [job["id"] for job in jobs_or_none(self.node) if job["state"] == "running"]
        if any(self._hit[job] >= KILLS_UNDER_ONE_JOB for job in running):
            return True
        self._hit.update(running)
        return False


def at_work(node: ANode, kind: str) -> bool:
    """Whether processes of this kind have something in hand."""
    jobs = jobs_or_none(node)
    sending = any(one["state"] in ("sending", "committing") for job in jobs for one in job["deliveries"])
    return sending if kind == "sender" else any(job["state"] == "running" for job in jobs)


def jobs_or_none(node: ANode) -> list[dict[str, Any]]:
    """The jobs, or none while nobody answers."""
    with suppress(urllib3.exceptions.HTTPError):
        answer = node.request("GET", "/orthogen/api/jobs?limit=1000")
        return list(answer.json()) if answer.status == 200 else []
    return []


def pid_of(node: ANode, kind: str) -> int | None:
    """The process of this kind, if it lives."""
    if kind == "orthanc":
        return node.orthanc_pid()
    for pid in alive(node.descendants()):
        with suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if MODULES[kind] in arguments:
                return pid
    return None


@contextmanager
def modality(node: ANode) -> Iterator[Callable[[Sequence[SmallStudy]], None]]:
    """Gives a function that takes studies to send; each is sent again until it was acknowledged whole. The
    end of the context waits for all."""
    waiting: queue.Queue[SmallStudy | None] = queue.Queue()
    trouble: list[str] = []

    def work() -> None:
        while (study := waiting.get()) is not None:
            if not _acknowledged(study, node):
                trouble.append(study.study_instance_uid)

    def send(studies: Sequence[SmallStudy]) -> None:
        for study in studies:
            waiting.put(study)

    thread = threading.Thread(target=work, name="modality", daemon=True)
    thread.start()
    try:
        yield send
    finally:
        waiting.put(None)
        thread.join(120)
    assert not thread.is_alive()
    assert not trouble


def _acknowledged(study: SmallStudy, node: ANode) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            storescu(study.files, node.dicom_port)
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            return True
    return False
