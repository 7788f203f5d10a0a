"""What retention must leave alone, row by row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.errors import PassingTrouble
from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.deliveries import add_delivery, change_delivery
from plugin.folders import Folders
from plugin.gate_report.kept import has_report, keep_report
from plugin.ledger import Ledger
from plugin.life_signs import FileLocks
from plugin.orthanc_rest import OrthancAddress, OrthancRest
from plugin.own_results import OwnResults
from plugin.retention import Retention
from plugin.retention_limits import RetentionLimits
from plugin.settings import settings_problems
from plugin.submit import Queue
from plugin.tables import EXPLANATIONS, TRAFFIC
from plugin.watch import arm
from tests.plugin.test_ledger import a_job

HOUR_S = 3600.0
A_SECOND = 1 / 86_400
OVER: dict[str, Any] = {"created": 1.0, "started": 2.0, "finished": 3.0}


@pytest.fixture
def retention(tmp_path: Path) -> Iterator[Retention]:
    """One that deletes all it may, older than a second."""
    url = database_url("sqlite", tmp_path)
    prepare_database(url)
    ledger = Ledger(open_engine(url))
    limits = RetentionLimits(
        **{name: A_SECOND for name in RetentionLimits.model_fields if name != "result_days"}
    )
    nowhere = OrthancRest(OrthancAddress("http://127.0.0.1:1", None))
    results = OwnResults(nowhere, ledger, FileLocks(tmp_path / "locks"))
    yield Retention(limits, results, Queue(ledger), Folders(tmp_path))
    ledger.engine.dispose()


def studies(retention: Retention, table: sa.Table) -> set[str]:
    with retention.ledger.engine.connect() as connection:
        return set(connection.execute(sa.select(table.c.study_instance_uid)).scalars())


def test_received_series_are_remembered_for_the_rate_limit_and_while_their_study_is_open(
    retention: Retention,
) -> None:
    now = time.time()
    columns = {"series_instance_uid": "1", "series_orthanc_id": "a", "source": "s", "facts": b""}
    with retention.ledger.transaction() as connection:
        for study, age_s in (("old", 2 * HOUR_S), ("young", HOUR_S / 2), ("open", 2 * HOUR_S)):
            row = {"study_instance_uid": study, "at": now - age_s, **columns}
            connection.execute(sa.insert(TRAFFIC).values(**row))
        arm(connection, ["x"], at=now, look_at=now)
        connection.execute(sa.text("UPDATE orthogen_watched_series SET study_instance_uid = 'open'"))
    retention.clean()
    assert studies(retention, TRAFFIC) == {"young", "open"}


def test_explanations_of_studies_with_undecided_jobs_stay(retention: Retention) -> None:
    with retention.ledger.transaction() as connection:
        for study in ("over", "held"):
            row = {"study_instance_uid": study, "series_instance_uid": "1", "content_sha256": "", "at": 1.0}
            connection.execute(sa.insert(EXPLANATIONS).values(summary="", routing={}, **row))
        retention.ledger.add(connection, a_job(state="held", study_instance_uid="held", **OVER))
    retention.clean()
    assert studies(retention, EXPLANATIONS) == {"held"}


def test_jobs_go_only_when_nothing_of_them_is_wanted_any_more(retention: Retention) -> None:
    ledger = retention.ledger
    deliveries = {"delivered": "delivered", "undelivered": "failed", "cancelled": "failed"}
    states = {"delivered": "done", "undelivered": "failed", "cancelled": "cancelled", "held": "held"}
    states |= {"shadow": "done", "plain": "done", "refused": "failed", "queued": "queued"}
    with ledger.transaction() as connection:
        for name, state in states.items():
            ledger.add(connection, a_job(id=name, key=name, state=state, **OVER))
            if name in deliveries:
                change_delivery(connection, add_delivery(connection, name, "PACS"), state=deliveries[name])
    for name in ("held", "plain"):
        keep_report(ledger.engine, name, "<html>")
    with ledger.transaction() as connection:
        connection.execute(sa.text("UPDATE orthogen_gate_reports SET made = 1"))
    (retention.folders.quarantine / "shadow").mkdir(parents=True)  # young: kept aside, and so is its job
    ledger.update("shadow", expect=("done",), finished=time.time())
    retention.clean()
    left = {job.id for job in ledger.jobs()}
    assert left == {"undelivered", "held", "shadow", "queued"}
    assert has_report(ledger.engine, "held")
    assert not has_report(ledger.engine, "plain")


@pytest.mark.parametrize(
    ("state", "uids", "delivery", "goes"),
    [
        ("running", ("2.25.1",), None, False),
        ("delivering", ("2.25.1",), "waiting", False),
        ("failed", ("2.25.1",), "failed", False),
        ("cancelled", ("2.25.1",), "failed", True),
        ("done", ("2.25.1",), "delivered", True),
        ("delivering", ("2.25.2",), "waiting", True),
    ],
)
def test_a_delivered_result_stays_while_another_run_of_the_same_needs_it(
    retention: Retention, state: str, uids: tuple[str, ...], delivery: str | None, goes: bool
) -> None:
    """Both runs have the same UIDs; that a result goes shows in that Orthanc, which is nowhere, is asked."""
    ledger = retention.ledger
    with ledger.transaction() as connection:
        first = a_job(id="first", state="done", result_series_uids=("2.25.1",), **OVER)
        ledger.add(connection, first)
        change_delivery(connection, add_delivery(connection, "first", "PACS"), state="delivered")
        again = a_job(id="again", state=state, result_series_uids=uids, created=time.time())
        ledger.add(connection, again)
        if delivery:
            change_delivery(connection, add_delivery(connection, "again", "PACS"), state=delivery)
    ledger.register_result("2.25.1", "first", "result")
    results_only = replace(retention, limits=RetentionLimits(result_days=A_SECOND))
    with pytest.raises(PassingTrouble) if goes else nullcontext():
        results_only.clean()


def test_a_limit_of_nothing_is_a_mistake() -> None:
    (problem,) = settings_problems({"Retention": {"JobDays": 0}})
    assert problem.path == "Orthogen.Retention.JobDays"
    (problem,) = settings_problems({"Retention": {"JobDay": 1}})
    assert "JobDays" in problem.allowed
