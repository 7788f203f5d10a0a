"""What the rules saw of every complete series: kept for the other series of its study, for replay and rate
limits.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime

import sqlalchemy as sa

from plugin.routing.facts import SeriesFacts
from plugin.routing.guards import source_of
from plugin.routing.stored_facts import facts_as_json, facts_from_json
from plugin.tables import TRAFFIC


def forget(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """A series is no longer there: no rule may choose it, and nothing of it is kept here."""
    connection.execute(sa.delete(TRAFFIC).where(which))


def record(connection: sa.Connection, facts: SeriesFacts, series_orthanc_id: str) -> None:
    """Adds a complete series; of several records of one series the last counts."""
    connection.execute(
        sa.insert(TRAFFIC).values(
            study_instance_uid=facts.study_instance_uid,
            series_instance_uid=facts.series_instance_uid,
            series_orthanc_id=series_orthanc_id,
            source=source_of(facts),
            at=facts.received.timestamp(),
            facts=packed(facts),
        )
    )


def known_series(connection: sa.Connection, study_instance_uid: str) -> list[SeriesFacts]:
    """The last state of each complete series of a study."""
    query = sa.select(TRAFFIC.c.facts).where(TRAFFIC.c.study_instance_uid == study_instance_uid)
    rows = connection.execute(query.order_by(TRAFFIC.c.number)).scalars()
    latest = {facts.series_instance_uid: facts for facts in map(unpacked, rows)}
    return list(latest.values())


def since(engine: sa.Engine, moment: float) -> list[SeriesFacts]:
    """Every record from then on, oldest first."""
    query = sa.select(TRAFFIC.c.facts).where(TRAFFIC.c.at >= moment).order_by(TRAFFIC.c.number)
    with engine.connect() as connection:
        return [unpacked(row) for row in connection.execute(query).scalars()]


def admitted_times(connection: sa.Connection, source: str, after: float) -> list[datetime]:
    """When series of this source were complete, from then on."""
    query = sa.select(TRAFFIC.c.at).where(TRAFFIC.c.source == source, TRAFFIC.c.at >= after)
    return [datetime.fromtimestamp(at).astimezone() for at in connection.execute(query).scalars()]


def packed(facts: SeriesFacts) -> bytes:
    """Compressed JSON: 2,000 instances are a few tens of kilobytes."""
    return zlib.compress(json.dumps(facts_as_json(facts), ensure_ascii=False).encode("utf-8"), 1)


def unpacked(data: bytes) -> SeriesFacts:
    return facts_from_json(json.loads(zlib.decompress(data)))
