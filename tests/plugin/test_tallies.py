"""What retention deletes stays counted, to the last bucket; and what can shrink is not shown as a counter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client.metrics_core import Metric

from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.deliveries import Delivery, add_delivery, change_delivery
from plugin.ledger import Ledger
from plugin.metrics import tallied
from plugin.tables import DELIVERIES, JOBS
from plugin.tallies import keep_tallies, tallies
from tests.plugin.test_ledger import a_job


@pytest.fixture
def busy_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Three jobs, one of them delivered and one without a verdict."""
    url = database_url("sqlite", tmp_path)
    prepare_database(url)
    ledger = Ledger(open_engine(url))
    times = {"created": 100.0, "started": 103.0, "finished": 110.0}
    with ledger.transaction() as connection:
        ledger.add(connection, a_job(id="a", state="done", verdict="PASS", **times))
        ledger.add(connection, a_job(id="b", state="done", verdict="WARN", **times))
        ledger.add(connection, a_job(id="c", state="queued", created=100.0))
        delivery = add_delivery(connection, "a", "PACS")
        change_delivery(connection, delivery, created=105.0, finished=145.0, state="delivered")
    yield ledger
    ledger.engine.dispose()


def test_what_happened_is_counted_by_pipeline_verdict_and_duration(busy_ledger: Ledger) -> None:
    with busy_ledger.engine.connect() as connection:
        found = tallies(connection)
    assert found[("jobs", "ct-denoise", "1")] == 3
    assert found[("verdicts", "ct-denoise", "1", "PASS")] == 1
    assert found[("seconds", "wait", "ct-denoise", "2.5")] == 0
    assert found[("seconds", "wait", "ct-denoise", "5")] == 2
    # a: 2 s until it was ready to be delivered; b, which goes nowhere: 7 s
    assert found[("seconds", "process", "ct-denoise", "2.5")] == 1
    assert found[("seconds", "process", "ct-denoise", "+Inf")] == 2
    assert found[("seconds", "process", "ct-denoise", "sum")] == 9.0
    assert found[("seconds", "deliver", "PACS", "30")] == 0
    assert found[("seconds", "deliver", "PACS", "60")] == 1


def test_deleting_jobs_changes_no_counter(busy_ledger: Ledger) -> None:
    with busy_ledger.engine.connect() as connection:
        before = tallies(connection)
    for job_id in ("a", "b"):
        with busy_ledger.transaction() as connection:
            keep_tallies(connection, JOBS.c.id == job_id)
            connection.execute(sa.delete(DELIVERIES).where(DELIVERIES.c.job_id == job_id))
            connection.execute(sa.delete(JOBS).where(JOBS.c.id == job_id))
    with busy_ledger.engine.connect() as connection:
        assert tallies(connection) == before
        assert connection.execute(sa.select(sa.func.count()).select_from(JOBS)).scalar_one() == 1


def test_what_a_retry_or_a_release_takes_back_is_shown_as_a_gauge(busy_ledger: Ledger) -> None:
    with busy_ledger.engine.connect() as connection:
        before = {metric.name: metric for metric in tallied(tallies(connection))}
    busy_ledger.update("a", expect=("done",), state="held", decision="released")
    busy_ledger.update("b", expect=("done",), state="queued", verdict=None, started=None, finished=None)
    with busy_ledger.engine.connect() as connection:
        after = {metric.name: metric for metric in tallied(tallies(connection))}
    shrunken = {name for name in before if total(after[name]) < total(before[name])}
    assert shrunken == {"orthogen_verdicts", "orthogen_job_wait_seconds", "orthogen_job_process_seconds"}
    assert {before[name].type for name in shrunken} == {"gauge", "gaugehistogram"}
    assert {before[name].type for name in set(before) - shrunken} == {"counter", "histogram"}


def total(metric: Metric) -> float:
    return sum(sample.value for sample in metric.samples)


def test_an_undelivered_delivery_has_no_duration_yet(busy_ledger: Ledger) -> None:
    with busy_ledger.transaction() as connection:
        assert isinstance(add_delivery(connection, "b", "SLOW"), Delivery)
    with busy_ledger.engine.connect() as connection:
        assert not any("SLOW" in labels for labels in tallies(connection))
