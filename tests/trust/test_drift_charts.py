"""Control charts over what the gate measured: quiet while nothing changes, an alarm when something does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.database import open_engine, prepare_database
from plugin.drift.charts import charts, drift_alerts, strains
from plugin.drift.cusum import BASELINE, cusum
from plugin.drift.figures import REMEMBERED, Measured, Origin, note


def noise(count: int, seed: int = 0) -> list[float]:
    chance = random.Random(seed)
    return [10 + chance.gauss(0, 1) for _ in range(count)]


def ever_alarms(values: Sequence[float]) -> bool:
    """Looked at after every fifth study: an alarm rarely lasts for fewer."""
    seen = [cusum(values[:count]) for count in range(BASELINE + 5, len(values) + 1, 5)]
    return any(chart is not None and chart.since is not None for chart in seen)


def test_few_charts_in_control_alarm_within_400_studies() -> None:
    """Fewer than 2 in 100 are expected: of 250, hardly ever ten."""
    alarms = sum(ever_alarms(noise(BASELINE + 400, seed)) for seed in range(250))
    assert alarms < 10


@pytest.mark.parametrize("shift", [1.5, -1.5])
def test_a_shift_is_found_within_a_few_studies_and_dated(shift: float) -> None:
    before = noise(BASELINE + 15, seed=1)
    assert (quiet := cusum(before)) is not None
    assert quiet.since is None
    after = [*before, *(value + shift for value in noise(20, seed=2))]
    found = cusum(after)
    assert found is not None
    assert found.since is not None
    assert abs(found.since - len(before)) <= 8
    assert (found.above > found.below) == (shift > 0)


def test_one_odd_study_is_no_drift() -> None:
    found = cusum([*noise(BASELINE + 10, seed=4), 500.0])
    assert found is not None
    assert found.since is None


def test_nothing_is_said_before_there_is_a_baseline() -> None:
    assert cusum(noise(BASELINE)) is None


@pytest.fixture
def connection(tmp_path: Path) -> sa.Connection:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    prepare_database(url)
    return open_engine(url).connect()


def studies(connection: sa.Connection, scanner: str, values: Sequence[float]) -> None:
    for number, value in enumerate(values):
        figures = {"noise_ratio": value, "slices": 24.0}
        origin = Origin(scanner, "chest")
        note(
            connection,
            f"{scanner}-{number}",
            Measured(1000.0 + number, "ct-denoise", "1.0.0", "ab" * 32, origin, figures),
        )


def test_only_the_scanner_that_changed_is_named(connection: sa.Connection) -> None:
    studies(connection, "Maker A", noise(BASELINE + 35, seed=5))
    studies(
        connection, "Maker B", [*noise(BASELINE + 15, seed=6), *(value + 3 for value in noise(20, seed=7))]
    )
    (alert,) = drift_alerts(connection)
    assert "noise ratio has risen" in alert
    assert "Maker B" in alert
    assert "protocol chest" in alert
    worst = charts(connection)[0]
    assert (worst.group.scanner, worst.figure, worst.alarm) == ("Maker B", "noise_ratio", True)
    found = strains(connection)
    assert found["ct-denoise", "1.0.0", "Maker B", "noise_ratio"] > 1
    assert found["ct-denoise", "1.0.0", "Maker A", "noise_ratio"] < 1


def test_what_is_usual_stays_what_the_first_studies_said(connection: sa.Connection) -> None:
    first = noise(BASELINE + 10, seed=8)
    studies(connection, "Maker A", [*first, *(value + 3 for value in noise(REMEMBERED + 150, seed=9))])
    studies(connection, "Maker B", noise(BASELINE + 10, seed=10))
    chart = {found.group.scanner: found for found in charts(connection)}["Maker A"]
    assert chart.values[: len(first)] == tuple(first)
    assert chart.cusum is not None
    assert chart.cusum.mean == pytest.approx(10, abs=0.5)
    assert chart.alarm
    assert len(chart.values) < len(first) + REMEMBERED + 150


def test_a_second_attempt_takes_the_place_of_the_first(connection: sa.Connection) -> None:
    studies(connection, "Maker A", [1.0, 2.0])
    studies(connection, "Maker A", [1.5, 2.5])
    (chart,) = charts(connection)
    assert chart.values == (1.5, 2.5)
