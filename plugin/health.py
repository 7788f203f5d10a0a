"""Is the node able to work, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.errors import PassingTrouble
from plugin.delivery.overview import destination_alerts
from plugin.identity import node_version
from plugin.parts import Parts
from plugin.receive import STORM
from plugin.watch import Watched, all_watched


def health(parts: Parts) -> dict[str, Any]:
    """`status` is ok, or unavailable with `reasons`."""
    workers = [
        {
            "slot": slot,
            "pid": worker.pid,
            "starts": worker.starts,
            "ready": is_ready(worker),
            "last": worker.reason,
        }
        for slot, worker in enumerate(parts.workers)
    ]
    reasons = [
        f"worker {worker['slot']} is not ready: {worker['last']}" for worker in workers if not worker["ready"]
    ]
    if parts.sender is not None and not is_ready(parts.sender):
        reasons.append(f"the sender of deliveries is not ready: {parts.sender.reason}")
    watched = all_watched(parts.ledger.engine)
    reasons += orthanc_reasons(parts)
    return {
        "status": "unavailable" if reasons else "ok",
        "reasons": reasons,
        "version": node_version(),
        "workers": workers,
        "queue": parts.ledger.counts(),
        "pending_series": len(watched),
        "alerts": alerts(watched) + destination_alerts(parts.ledger, parts.settings),
    }


def alerts(watched: Sequence[Watched]) -> list[str]:
    """What an administrator should look at although the node works."""
    return sorted({one.reason for one in watched if one.reason.startswith(STORM)})


def is_ready(worker: Any) -> bool:
    return worker.pid is not None and worker.ready


def orthanc_reasons(parts: Parts) -> list[str]:
    try:
        parts.reception.orthanc.json("/system")
    except PassingTrouble as trouble:
        return [str(trouble)]
    return []
