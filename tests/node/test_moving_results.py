"""Results are taken out of Orthanc, or brought back, while the job goes on elsewhere: nothing of a later
attempt is lost, nothing of what was refused stays. A real Orthanc; the two that meet are threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dicom_templates.to_series import WrittenInstance
from plugin import people
from plugin.folders import Folders
from plugin.holding import claim
from plugin.ledger import Job
from plugin.orthanc_ends import OrthancEnds
from plugin.own_results import TO_SET_ASIDE
from plugin.perform import has_no_result
from plugin.rest_errors import Conflict
from plugin.retention import Retention
from plugin.retention_limits import RetentionLimits
from plugin.tables import TRAFFIC
from plugin.tidy import forget_deleted, set_aside_held, tidy_up
from tests.node.a_destination import second_orthanc
from tests.node.a_result_on_the_move import Meeting, Scene, a_again, begun, finished, set_aside
from tests.node.small_studies import small_studies
from tests.plugin.test_ledger import a_job
from tests.plugin.test_lost_turns import Book

A_SECOND = 1 / 86_400
LOOKED_UP = "/tools/find"


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


def test_a_result_stays_until_the_second_that_made_the_same_elsewhere_is_set_aside(scene: Scene) -> None:
    first = scene.add(state="held", stage=TO_SET_ASIDE, verdict="HOLD")
    again = begun(scene, a_again(scene)).job
    waiting: dict[str, Any] = {"state": "held", "stage": TO_SET_ASIDE, "verdict": "HOLD"}
    scene.book.ledger.update_held(again, result_series_uids=[scene.uid], **waiting)
    scene.store()
    ledger, results = scene.book.ledger, scene.results()
    results.withdraw(first)
    assert scene.stored() == 2
    assert ledger.update(first.id, expect=("held",), attempt=first.attempts, stage="held")
    results.withdraw(again)
    assert scene.stored() == 0


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
