"""A result in an Orthanc, and somebody else who acts at the worst moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dicom_templates.to_series import WrittenInstance
from pipelines.catalog import Catalog
from pipelines.gate import Verdict
from plugin.drift.figures import Origin
from plugin.folders import Folders
from plugin.holding import claim
from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import OrthancEnds
from plugin.orthanc_rest import OrthancAddress, OrthancRest
from plugin.own_results import OwnResults, copy_aside, withdraw
from plugin.parts import Parts
from plugin.run_job import Outcome
from plugin.server_line import life_signs
from plugin.settings import REPOSITORY
from plugin.submit import Queue
from tests.node.small_studies import SmallStudy
from tests.plugin.test_ledger import a_job
from tests.plugin.test_lost_turns import Book, a_performer


class Meeting(OrthancRest):
    """Orthanc, where somebody else acts at the moment of the first call with this path: the caller goes on
    once that is done, or once it is clear that the other waits for the caller.
    """

    def __init__(self, url: str, at_path: str, act: Callable[[], object]) -> None:
        super().__init__(OrthancAddress(url, None))
        self.at_path, self.other = at_path, threading.Thread(target=act)
        self.met = False

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        answer = super()._call(method, path, body)
        if path.startswith(self.at_path) and not self.met:
            self.met = True
            self.other.start()
            self.other.join(1.0)
        return answer


@dataclass(frozen=True)
class Scene:
    """An Orthanc, a ledger, and a result of two images."""

    url: str
    book: Book
    folders: Folders
    study: SmallStudy

    @property
    def orthanc(self) -> OrthancRest:
        return OrthancRest(OrthancAddress(self.url, None))

    @property
    def uid(self) -> str:
        return self.study.series_instance_uid

    def results(self, orthanc: OrthancRest | None = None) -> OwnResults:
        ledger = self.book.ledger
        return OwnResults(orthanc or self.orthanc, ledger, life_signs(ledger.engine, self.folders))

    def parts(self, orthanc: OrthancRest | None = None) -> Parts:
        """Of which people's commands use these."""
        return cast(Parts, PartsInUse(self.results(orthanc), self.book, self.folders))

    def add(self, **columns: Any) -> Job:
        """A job that has written its result, registered as its own."""
        job = self.book.add(**{"result_series_uids": (self.uid,), **columns})
        self.book.ledger.register_result(self.uid, job.id, "result")
        self.store()
        return job

    def store(self) -> None:
        for file in self.study.files:
            self.orthanc.store_instance(file.read_bytes())

    def attempt(self, job: Job) -> None:
        """What a worker does with the job that waits, from its claim to its end."""
        running = claim(self.book.ledger, job.id, job.attempts, "worker")
        assert running is not None
        ends = OrthancEnds(self.results(), running, self.folders)
        ends.begin([self.uid])
        for number, file in enumerate(self.study.files):
            ends.store(WrittenInstance(str(number), file.read_bytes(), 0))
        assert self.book.ledger.update_held(running, state="done", verdict="PASS", finished=time.time())

    def stored(self) -> int:
        found = self.orthanc.find_series(self.uid)
        return len(self.orthanc.instances_of(found)) if found else 0


@dataclass(frozen=True)
class PartsInUse:
    results: OwnResults
    book: Book
    folders: Folders

    @property
    def ledger(self) -> Ledger:
        return self.book.ledger

    @property
    def queue(self) -> Queue:
        return self.book.queue

    @property
    def dispatch(self) -> Any:
        return self.book.dispatch

    @property
    def reception(self) -> OwnResults:
        return self.results  # it has an `orthanc` too


def set_aside(scene: Scene, job: Job) -> None:
    copy_aside(scene.orthanc, [scene.uid], scene.folders.held / job.id)
    withdraw(scene.orthanc, [scene.uid])
    for number, file in enumerate(scene.study.files):  # which are nobody's results, and so were not kept
        (scene.folders.held / job.id / f"{number}.dcm").write_bytes(file.read_bytes())


def finished(scene: Scene, job: Job, folder: Path) -> str:
    """The end of an attempt whose verdict is HOLD."""
    performer = replace(
        a_performer(scene.book.ledger, folder),
        results=scene.results(),
        folders=scene.folders,
        catalog=Catalog.load([REPOSITORY / "pipelines"]),
    )
    return performer._finish(job, an_outcome(scene.uid))


def an_outcome(series_instance_uid: str) -> Outcome:
    verdict, origin = Verdict("HOLD", ("noise",), {}), Origin("", "")
    return Outcome((series_instance_uid,), 2, 0, verdict, (), origin)


def a_again(scene: Scene) -> Job:
    again = a_job(id="again", key="again", source_series_uid="1.2.3", state="queued")
    with scene.book.ledger.transaction() as connection:
        scene.book.ledger.add(connection, again)
    return again


def begun(scene: Scene, job: Job) -> OrthancEnds:
    running = claim(scene.book.ledger, job.id, job.attempts, "worker")
    assert running is not None
    ends = OrthancEnds(scene.results(), running, scene.folders)
    ends.begin([scene.uid])
    return ends
