"""Results are taken out of Orthanc, or brought back, while the job goes on elsewhere: nothing of a later
attempt is lost, nothing of what was refused stays. A real Orthanc; the two that meet are threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from dicom_templates.to_series import WrittenInstance
from pipelines.catalog import Catalog
from pipelines.gate import Verdict
from plugin import people
from plugin.drift.figures import Origin
from plugin.folders import Folders
from plugin.holding import claim
from plugin.ledger import Job, Ledger
from plugin.orthanc_ends import OrthancEnds
from plugin.orthanc_rest import OrthancAddress, OrthancRest
from plugin.own_results import TO_SET_ASIDE, OwnResults, copy_aside, withdraw
from plugin.parts import Parts
from plugin.perform import has_no_result
from plugin.rest_errors import Conflict
from plugin.retention import Retention
from plugin.retention_limits import RetentionLimits
from plugin.run_job import Outcome
from plugin.server_line import life_signs
from plugin.settings import REPOSITORY
from plugin.submit import Queue
from plugin.tables import TRAFFIC
from plugin.tidy import forget_deleted, set_aside_held, tidy_up
from tests.node.a_destination import second_orthanc
from tests.node.small_studies import SmallStudy, small_studies
from tests.plugin.test_ledger import a_job
from tests.plugin.test_lost_turns import Book, a_performer

A_SECOND = 1 / 86_400
LOOKED_UP = "/tools/find"


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


@pytest.fixture
def scene(tmp_path: Path, ct_files: list[Path]) -> Iterator[Scene]:
    (study,) = small_studies(ct_files, tmp_path / "study", count=1)
    with second_orthanc(tmp_path / "orthanc") as url:
        book = Book.at(tmp_path)
        yield Scene(url, book, Folders(tmp_path / "state"), study)
        book.ledger.engine.dispose()


def retried(scene: Scene, job: Job) -> Callable[[], None]:
    """A person retries the job, and a worker runs it to its end."""

    def run() -> None:
        people.retry(scene.parts(), scene.book.job(), "somebody")
        scene.attempt(replace(job, attempts=job.attempts + 1))

    return run


def test_a_retry_while_what_failed_before_is_withdrawn_loses_no_image(scene: Scene) -> None:
    job = scene.add(state="failed", finished=1.0)
    meeting = Meeting(scene.url, LOOKED_UP, retried(scene, job))
    tidy_up(scene.results(meeting))
    meeting.other.join()
    assert (scene.book.job().state, scene.stored()) == ("done", 2)


def test_a_retry_while_a_rejected_result_is_withdrawn_loses_no_image(scene: Scene) -> None:
    job = scene.add(state="held", stage="held", verdict="HOLD")
    meeting = Meeting(scene.url, LOOKED_UP, retried(scene, job))
    people.reject(scene.parts(meeting), job, "somebody")
    meeting.other.join()
    assert (scene.book.job().state, scene.stored()) == ("done", 2)


def test_a_job_rejected_and_retried_while_its_result_is_set_aside_loses_no_image(scene: Scene) -> None:
    job = scene.add(state="held", stage=TO_SET_ASIDE, verdict="HOLD")

    def rejected() -> None:
        people.reject(scene.parts(), job, "somebody")
        retried(scene, job)()

    meeting = Meeting(scene.url, LOOKED_UP, rejected)
    set_aside_held(scene.results(meeting), scene.folders)
    meeting.other.join()
    assert (scene.book.job().state, scene.stored()) == ("done", 2)


def test_a_result_that_is_rejected_while_it_is_released_is_not_half_there(scene: Scene) -> None:
    job = scene.add(state="held", stage="held", verdict="HOLD")
    set_aside(scene, job)
    refused: list[Conflict] = []

    def reject() -> None:
        try:
            people.reject(scene.parts(), job, "another")
        except Conflict as conflict:
            refused.append(conflict)

    meeting = Meeting(scene.url, "/instances", reject)
    people.release(scene.parts(meeting), job, "somebody")
    meeting.other.join()
    assert (scene.book.job().state, scene.stored(), len(refused)) == ("done", 2, 1)


def test_the_same_run_made_again_while_the_first_is_withdrawn_loses_no_image(scene: Scene) -> None:
    scene.add(state="failed", finished=1.0)
    again = a_again(scene)
    meeting = Meeting(scene.url, LOOKED_UP, lambda: scene.attempt(again))
    tidy_up(scene.results(meeting))
    meeting.other.join()
    assert scene.stored() == 2


def test_what_the_same_run_has_made_again_is_not_withdrawn_with_the_first(scene: Scene) -> None:
    scene.add(state="failed", finished=1.0)
    ends = begun(scene, a_again(scene))
    tidy_up(scene.results())
    assert scene.stored() == 2
    assert scene.book.ledger.own_results(ends.job) == [scene.uid]  # should this one be cancelled


def test_what_the_same_run_is_making_again_is_not_taken_out_with_the_first(scene: Scene) -> None:
    scene.add(state="held", stage=TO_SET_ASIDE, verdict="HOLD")
    ends = begun(scene, a_again(scene))
    first, second = (WrittenInstance(file.stem, file.read_bytes(), 0) for file in scene.study.files)
    ends.store(first)  # which is there already
    set_aside_held(scene.results(), scene.folders)
    ends.store(second)
    assert (scene.book.job().stage, scene.stored()) == ("held", 2)
    assert scene.book.ledger.own_results(ends.job) == [scene.uid]


def test_a_later_attempt_leaves_what_the_same_run_is_making_again(scene: Scene) -> None:
    first = scene.add(state="queued")
    again = begun(scene, a_again(scene))
    running = claim(scene.book.ledger, first.id, first.attempts, "another")
    assert running is not None
    OrthancEnds(scene.results(), running, scene.folders).begin(["1.2.3.9"])  # what comes last is named later
    assert scene.stored() == 2
    assert scene.book.ledger.own_results(again.job) == [scene.uid]


def test_a_released_result_stays_when_the_same_run_made_again_is_held(scene: Scene, tmp_path: Path) -> None:
    scene.add(state="done", verdict="HOLD", stage="released", finished=time.time())
    ends = begun(scene, a_again(scene))
    scene.store()
    assert finished(scene, ends.job, tmp_path) == "held"
    assert scene.stored() == 2
    held = scene.book.ledger.job("again")
    assert held is not None
    people.reject(scene.parts(), held, "somebody")
    assert scene.stored() == 2


def test_a_result_that_is_released_while_the_same_run_is_made_again_stays(
    scene: Scene, tmp_path: Path
) -> None:
    first = scene.add(state="held", verdict="HOLD", stage="held")
    set_aside(scene, first)
    ends = begun(scene, a_again(scene))
    people.release(scene.parts(), first, "somebody")
    assert finished(scene, ends.job, tmp_path) == "held"
    assert scene.stored() == 2


def test_of_two_that_make_the_same_at_once_and_are_held_nothing_stays(scene: Scene, tmp_path: Path) -> None:
    first = scene.add(state="queued", pipeline="ct-denoise")
    again = begun(scene, a_again(scene)).job
    running = claim(scene.book.ledger, first.id, first.attempts, "another")
    assert running is not None
    running = replace(running, result_series_uids=(scene.uid,))
    scene.book.ledger.update_held(running, result_series_uids=[scene.uid])
    assert finished(scene, running, tmp_path) == "held"
    assert scene.stored() == 2  # the other one is still at it
    assert finished(scene, again, tmp_path) == "held"
    assert scene.stored() == 0


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


def test_retention_deletes_no_result_that_is_just_made_again(scene: Scene) -> None:
    job = scene.add(state="done", verdict="PASS", finished=1.0, send_to=("PACS",))
    with scene.book.ledger.transaction() as connection:
        scene.book.dispatch.begin(connection, job)
    with scene.book.ledger.transaction() as connection:
        scene.book.dispatch.end(connection, scene.book.delivery(), "delivered", None)
    meeting = Meeting(scene.url, LOOKED_UP, lambda: scene.attempt(a_again(scene)))
    limits = RetentionLimits(result_days=A_SECOND)
    Retention(limits, scene.results(meeting), scene.book.queue, scene.folders).clean()
    meeting.other.join()
    assert scene.stored() == 2


def test_a_series_that_comes_while_the_deleted_are_looked_for_is_not_forgotten(scene: Scene) -> None:
    ledger = scene.book.ledger

    def come(name: str) -> None:
        words = dict.fromkeys(("study_instance_uid", "series_instance_uid", "source"), "1")
        with ledger.transaction() as connection:
            connection.execute(sa.insert(TRAFFIC).values(series_orthanc_id=name, at=1.0, facts=b"", **words))

    come("deleted")
    meeting = Meeting(scene.url, "/series", lambda: come("new"))
    forget_deleted(meeting, ledger)
    with ledger.engine.connect() as connection:
        assert list(connection.execute(sa.select(TRAFFIC.c.series_orthanc_id)).scalars()) == ["new"]


def test_what_the_node_has_still_to_set_aside_is_not_withdrawn_by_who_lost_the_job() -> None:
    assert not has_no_result(a_job(state="held", stage=TO_SET_ASIDE))
    assert has_no_result(a_job(state="held", stage="held"))
