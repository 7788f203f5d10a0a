"""The control charts' query on PostgreSQL gives what it gives on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.database import database_url, open_engine, prepare_database
from plugin.drift import figures
from plugin.drift.charts import charts, drift_alerts, strains
from plugin.drift.cusum import BASELINE
from plugin.drift.figures import Measured, Origin, first_and_latest, note
from tests.node.a_postgres import APostgres

STUDIES = BASELINE + 40


def measured(number: int, scanner: str) -> Measured:
    """Noise that alternates about 10, and is 14 from study 70 on at one scanner."""
    noise = 14.0 if scanner == "worn" and number >= 70 else 10.0 + number % 2
    origin = Origin(scanner, "head")
    return Measured(1000.0 + number, "ct-denoise", "1.0.0", "ab", origin, {"source_noise_hu": noise})


def test_charts_and_alerts_are_the_same_on_both_databases(
    tmp_path: Path, postgres: APostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FIRST", BASELINE)
    monkeypatch.setattr(figures, "REMEMBERED", 30)
    found = []
    for database in ("sqlite", postgres.fresh_database()):
        url = database_url(database, tmp_path)
        prepare_database(url)
        engine = open_engine(url)
        with engine.begin() as connection:
            for number in range(STUDIES):
                for scanner in ("worn", "steady"):
                    note(connection, f"{scanner}-{number}", measured(number, scanner))
            note(connection, "worn-0", measured(0, "worn"))  # a second attempt
            found.append(
                (
                    first_and_latest(connection),
                    charts(connection),
                    drift_alerts(connection),
                    strains(connection),
                )
            )
        engine.dispose()
    on_sqlite, on_postgresql = found
    assert on_postgresql == on_sqlite
    studies, _, alerts, worst = on_postgresql
    assert len(studies) == 2 * (BASELINE + 30)
    assert len(alerts) == 1
    assert "worn" in alerts[0]
    assert max(worst, key=lambda labels: worst[labels])[2] == "worn"
