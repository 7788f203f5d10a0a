"""A database of an earlier version is brought up to date at the start of a node."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from plugin.database import open_engine, prepare_database
from plugin.tables import JOBS


def test_a_table_of_an_earlier_version_gets_the_columns_that_came_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state' / 'orthogen.db'}"
    prepare_database(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE orthogen_jobs DROP COLUMN output"))
    engine.dispose()
    prepare_database(url)
    engine = open_engine(url)
    columns = {column["name"]: column for column in sa.inspect(engine).get_columns("orthogen_jobs")}
    engine.dispose()
    assert set(columns) == set(JOBS.columns.keys())
    assert "classic" in str(columns["output"]["default"])
