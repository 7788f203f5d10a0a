"""Drift: every figure of the gate over time, with the limits it should keep."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.drift.charts import Chart, charts
from plugin.drift.cusum import BASELINE, SLACK
from plugin.pages.page import page
from plugin.parts import Parts

WIDTH, HEIGHT = 360, 60
SHOWN = 200
"""Latest studies of a chart that are drawn."""


def drift_page(parts: Parts, _request: Request) -> Response:
    with parts.ledger.engine.connect() as connection:
        found = charts(connection)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chart in found:
        groups[f"{chart.group} (model {chart.group.model_sha256[:8]})"].append(drawn(chart))
    alarms = [chart for chart in found if chart.alarm]
    return page("drift.html", groups=groups, alarms=len(alarms), baseline=BASELINE, size=(WIDTH, HEIGHT))


def drawn(chart: Chart) -> dict[str, Any]:
    """Points of a line in a box of WIDTH x HEIGHT, and where the usual range lies in it."""
    values = chart.values[-SHOWN:]
    known = chart.cusum
    usual = (known.mean - 3 * known.deviation, known.mean + 3 * known.deviation) if known else ()
    low, high = min(*values, *usual, values[0]), max(*values, *usual, values[0])
    span = (high - low) or 1.0

    def height(value: float) -> float:
        return round(HEIGHT - 4 - (value - low) / span * (HEIGHT - 8), 1)

    step = (WIDTH - 8) / max(len(values) - 1, 1)
    points = " ".join(f"{4 + place * step:.1f},{height(value)}" for place, value in enumerate(values))
    band = (height(usual[1]), height(usual[0]) - height(usual[1])) if usual else None
    return {
        "figure": chart.figure,
        "studies": len(chart.values),
        "last": chart.values[-1],
        "mean": known.mean if known else None,
        "slack": SLACK * known.deviation if known else None,
        "strain": known.strain if known else None,
        "alarm": chart.alarm,
        "points": points,
        "band": band,
    }
