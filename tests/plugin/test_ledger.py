"""The ledger's promises: one transaction, one job per content, and no write by whoever lost the job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from plugin.database import database_url, open_engine, prepare_database
from plugin.ledger import Job, Ledger
from plugin.submit import content_sha256
from plugin.watch import Watched, all_watched, arm, due, look_again, look_at_the_rest, put_off, settle


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = database_url("sqlite", tmp_path)
    prepare_database(url)
    engine = open_engine(url)
    yield Ledger(engine)
    engine.dispose()


def a_job(**changes: object) -> Job:
    columns: dict[str, object] = {
        "id": "job-1",
        "key": "key-1",
        "state": "queued",
        "pipeline": "ct-denoise",
        "pipeline_version": "1",
        "rule": "r",
        "mode": "live",
        "on_hold": "keep",
        "priority": "routine",
        "send_to": ("PACS",),
        "study_instance_uid": "1.2",
        "source_series_uid": "1.2.3",
        "series_orthanc_id": "abc",
        "instances": (("1.2.3.4", "def"),),
    }
    return Job(**{**columns, **changes})  # type: ignore[arg-type]


def test_a_job_is_read_back_as_it_was_written(ledger: Ledger) -> None:
    job = a_job(figures={"noise_removed_hu": 9.5}, reasons=("a", "b"), created=5.0)
    with ledger.transaction() as connection:
        ledger.add(connection, job)
    assert ledger.job("job-1") == job
    assert ledger.counts()["queued"] == 1


def test_the_database_is_readable_by_its_owner_only(ledger: Ledger, tmp_path: Path) -> None:
    assert (tmp_path / "orthogen.sqlite").stat().st_mode & 0o077 == 0


def test_cursor_and_watch_move_together_or_not_at_all(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        assert ledger.advance(connection, since=0, to=7)
        arm(connection, {"abc"}, at=100.0, look_at=102.0)
    with pytest.raises(RuntimeError):
        break_off_after_advance(ledger)
    assert ledger.cursor() == 7
    assert [one.series_orthanc_id for one in all_watched(ledger.engine)] == ["abc"]


def break_off_after_advance(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        assert ledger.advance(connection, since=7, to=9)
        arm(connection, {"def"}, at=101.0, look_at=103.0)
        raise RuntimeError


def test_a_series_that_received_an_instance_meanwhile_stays_watched(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        arm(connection, {"abc"}, at=100.0, look_at=102.0)
    (before,) = all_watched(ledger.engine)
    with ledger.transaction() as connection:
        arm(connection, {"abc"}, at=101.0, look_at=103.0)
    with ledger.transaction() as connection:
        assert not settle(connection, before)
        assert not look_again(connection, before)
    (after,) = all_watched(ledger.engine)
    assert (after.last_instance_at, after.look_at) == (101.0, 103.0)
    with ledger.transaction() as connection:
        assert settle(connection, after)
    assert all_watched(ledger.engine) == []


def test_a_complete_series_wakes_what_waits_in_its_study(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        arm(connection, {"abc", "def"}, at=100.0, look_at=500.0)
    first, second = all_watched(ledger.engine)
    with ledger.transaction() as connection:
        look_again(connection, replace(first, study_instance_uid="1.2"))
        look_at_the_rest(connection, "1.2", at=110.0)
    looks = {one.series_orthanc_id: one.look_at for one in all_watched(ledger.engine)}
    assert looks == {first.series_orthanc_id: 110.0, second.series_orthanc_id: 500.0}


def test_only_the_present_attempt_may_write(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        ledger.add(connection, a_job(state="running", attempts=2))
    assert not ledger.update("job-1", expect=("running",), attempt=1, progress=0.5)
    assert ledger.update("job-1", expect=("running",), attempt=2, progress=0.5)
    assert ledger.update("job-1", expect=("queued", "running"), state="cancelled")
    assert not ledger.update("job-1", expect=("running",), attempt=2, progress=0.9)


def test_a_result_series_keeps_the_job_that_wrote_it_first(ledger: Ledger) -> None:
    ledger.register_result("1.9", "job-1", "result")
    ledger.register_result("1.9", "job-2", "result")
    assert ledger.job_of_result("1.9") == "job-1"
    assert ledger.job_of_result("1.10") is None


def test_content_is_the_set_of_instances_whatever_their_order() -> None:
    assert content_sha256(["1.2", "1.10"]) == content_sha256(["1.10", "1.2"])
    assert content_sha256(["1.2"]) != content_sha256(["1.2", "1.3"])


def test_a_series_that_cannot_be_judged_is_put_off_behind_the_others(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        arm(connection, ["abc", "def"], at=100.0, look_at=102.0)
    first, second = all_watched(ledger.engine)
    put_off(ledger.engine, first, until=160.0, reason="it could not be judged")
    assert [one.series_orthanc_id for one in all_watched(ledger.engine)] == [
        second.series_orthanc_id,
        first.series_orthanc_id,
    ]
    assert all_watched(ledger.engine)[1].reason == "it could not be judged"


def test_what_is_due_is_looked_at_and_the_next_look_is_known() -> None:
    old = Watched("old", 90.0, 92.0, "arriving", None, "")
    new = Watched("new", 99.5, 101.5, "arriving", None, "")
    ready, next_in_s = due([old, new], now=100.0)
    assert ready == [old]
    assert next_in_s == pytest.approx(1.5)
    assert due([], 100.0) == ([], float("inf"))
