"""Series whose fate is open, durably: which to look at, and when. A kill at any moment loses none of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa

from plugin.tables import WATCHED

Stage = Literal["arriving", "waiting"]
NEVER = float("inf")


@dataclass(frozen=True)
class Watched:
    """One series. Times are seconds since 1970."""

    series_orthanc_id: str
    last_instance_at: float
    look_at: float
    stage: Stage
    """`arriving` until it is complete, then `waiting` while a rule still waits."""
    study_instance_uid: str | None
    reason: str
    """What is waited for, in words."""


def arm(connection: sa.Connection, series: Iterable[str], *, at: float, look_at: float) -> None:
    """An instance came: whatever was known of the series' completeness is void."""
    for series_orthanc_id in series:
        connection.execute(sa.delete(WATCHED).where(WATCHED.c.series_orthanc_id == series_orthanc_id))
        connection.execute(
            sa.insert(WATCHED).values(
                series_orthanc_id=series_orthanc_id,
                last_instance_at=at,
                look_at=look_at,
                stage="arriving",
                reason="instances are arriving",
            )
        )


def all_watched(engine: sa.Engine) -> list[Watched]:
    """Every series whose fate is open, the next to look at first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(WATCHED).order_by(WATCHED.c.look_at)).mappings()
        return [Watched(**row) for row in rows]


def look_again(connection: sa.Connection, watched: Watched) -> bool:
    """Writes the row as given; False, and nothing changed, if an instance came since it was read."""
    connection.execute(
        sa.update(WATCHED)
        .where(_unchanged(watched))
        .values(
            look_at=watched.look_at,
            stage=watched.stage,
            study_instance_uid=watched.study_instance_uid,
            reason=watched.reason,
        )
    )
    found = sa.select(WATCHED.c.series_orthanc_id).where(_unchanged(watched))
    return connection.execute(found).first() is not None


def put_off(engine: sa.Engine, watched: Watched, *, until: float, reason: str) -> None:
    """Looks again later; the reason is what people are told meanwhile."""
    with engine.begin() as connection:
        look_again(connection, replace(watched, look_at=until, reason=reason))


def settle(connection: sa.Connection, watched: Watched) -> bool:
    """The series' fate is decided; False, and nothing changed, if an instance came since it was read."""
    return connection.execute(sa.delete(WATCHED).where(_unchanged(watched))).rowcount == 1


def look_at_the_rest(connection: sa.Connection, study_instance_uid: str, *, at: float) -> None:
    """A series of the study is complete: whatever waits in the same study is looked at again."""
    connection.execute(
        sa.update(WATCHED)
        .where(WATCHED.c.study_instance_uid == study_instance_uid, WATCHED.c.look_at > at)
        .values(look_at=at)
    )


def due(watched: Iterable[Watched], now: float) -> tuple[list[Watched], float]:
    """Those to look at now, and the seconds until the next one."""
    every = list(watched)
    ready = [one for one in every if one.look_at <= now]
    return ready, min((one.look_at - now for one in every if one.look_at > now), default=NEVER)


def judge_alone(connection: sa.Connection, study_instance_uid: str) -> None:
    """Until the transaction ends no other node on this database judges series of this study: each must see
    what the other has decided. A node on SQLite is alone, and one thread of it judges."""
    if connection.dialect.name == "postgresql":
        of_study = sa.func.hashtext(study_instance_uid)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(of_study)))


def _unchanged(watched: Watched) -> sa.ColumnElement[bool]:
    return sa.and_(
        WATCHED.c.series_orthanc_id == watched.series_orthanc_id,
        WATCHED.c.last_instance_at == watched.last_instance_at,
    )
