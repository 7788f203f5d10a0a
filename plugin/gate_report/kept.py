"""Gate reports in the node's database, so that workers on other machines can leave theirs too."""

from __future__ import annotations

import gzip
import time

import sqlalchemy as sa

from plugin.tables import GATE_REPORTS


def keep_report(engine: sa.Engine, job_id: str, html: str) -> None:
    """The job's report, in the place of that of an earlier attempt."""
    row = {"made": time.time(), "html_gzip": gzip.compress(html.encode("utf-8"), mtime=0)}
    with engine.begin() as connection:
        connection.execute(sa.delete(GATE_REPORTS).where(GATE_REPORTS.c.job_id == job_id))
        connection.execute(sa.insert(GATE_REPORTS).values(job_id=job_id, **row))


def report_of(engine: sa.Engine, job_id: str) -> str | None:
    """The page, or None where the job has none."""
    wanted = sa.select(GATE_REPORTS.c.html_gzip).where(GATE_REPORTS.c.job_id == job_id)
    with engine.connect() as connection:
        found = connection.execute(wanted).scalar()
    return None if found is None else gzip.decompress(found).decode("utf-8")


def has_report(engine: sa.Engine, job_id: str) -> bool:
    wanted = sa.select(GATE_REPORTS.c.made).where(GATE_REPORTS.c.job_id == job_id)
    with engine.connect() as connection:
        return connection.execute(wanted).first() is not None
