"""Overview: does the node work, what waits, what needs a look."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.delivery.overview import shown_destinations
from plugin.health import health
from plugin.moment import moment
from plugin.pages.page import page
from plugin.parts import Parts
from plugin.watch import Watched, all_watched

PENDING_SHOWN = 100


def overview_page(parts: Parts, _request: Request) -> Response:
    watched = all_watched(parts.ledger.engine)
    return page(
        "overview.html",
        health=health(parts),
        pending=[shown_pending(one) for one in watched[:PENDING_SHOWN]],
        destinations=shown_destinations(parts.ledger, parts.destinations),
        more_pending=max(len(watched) - PENDING_SHOWN, 0),
    )


def shown_pending(one: Watched) -> dict[str, Any]:
    """A series whose fate is open: what is waited for, and until when."""
    return {
        "study": one.study_instance_uid,
        "series_orthanc_id": one.series_orthanc_id,
        "stage": one.stage,
        "reason": one.reason,
        "look_again": moment(one.look_at),
    }
