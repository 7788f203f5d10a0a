"""What the gate measured on each study, with its origin; no patient, no study."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from plugin.drift.cusum import BASELINE
from plugin.tables import GATE_FIGURES

FIRST = 2 * BASELINE
"""Earliest studies of each group, so that what is usual stays what it was: twice what a baseline takes,
since some figures are not measured on every study."""
REMEMBERED = 500
"""Latest studies of each group."""


@dataclass(frozen=True)
class Origin:
    """Where a study came from."""

    scanner: str
    """Manufacturer, model and station."""
    protocol: str

    @classmethod
    def of(cls, header: Any) -> Origin:
        """From the header of a source instance; what it does not say stays empty."""
        names = ("Manufacturer", "ManufacturerModelName", "StationName")
        scanner = " ".join(filter(None, (str(header.get(name) or "").strip() for name in names)))
        return cls(scanner or "unknown", str(header.get("ProtocolName") or "").strip())


@dataclass(frozen=True)
class Measured:
    """One study's figures."""

    at: float
    pipeline: str
    pipeline_version: str
    model_sha256: str
    origin: Origin
    figures: Mapping[str, float]


def note(connection: sa.Connection, job_id: str, measured: Measured) -> None:
    """Adds a study; another attempt at the same job takes the place of the first."""
    connection.execute(sa.delete(GATE_FIGURES).where(GATE_FIGURES.c.job_id == job_id))
    connection.execute(
        sa.insert(GATE_FIGURES).values(
            job_id=job_id,
            at=measured.at or time.time(),
            pipeline=measured.pipeline,
            pipeline_version=measured.pipeline_version,
            model_sha256=measured.model_sha256,
            scanner=measured.origin.scanner,
            protocol=measured.origin.protocol,
            figures=dict(measured.figures),
        )
    )


def first_and_latest(connection: sa.Connection) -> Sequence[Measured]:
    """Of each pipeline, version, model, scanner and protocol: first and latest studies, oldest first."""
    table = GATE_FIGURES.c
    group = (table.pipeline, table.pipeline_version, table.model_sha256, table.scanner, table.protocol)
    placed = sa.select(
        GATE_FIGURES,
        sa.func.row_number().over(partition_by=group, order_by=(table.at, table.job_id)).label("from_first"),
        sa.func.row_number()
        .over(partition_by=group, order_by=(table.at.desc(), table.job_id.desc()))
        .label("from_last"),
    ).subquery()
    kept = (placed.c.from_first <= FIRST) | (placed.c.from_last <= REMEMBERED)
    query = sa.select(placed).where(kept).order_by(placed.c.at, placed.c.job_id)
    rows = connection.execute(query).mappings().all()
    return [
        Measured(
            at=row["at"],
            pipeline=row["pipeline"],
            pipeline_version=row["pipeline_version"],
            model_sha256=row["model_sha256"],
            origin=Origin(row["scanner"], row["protocol"]),
            figures=row["figures"],
        )
        for row in rows
    ]
