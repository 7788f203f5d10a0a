"""Is the node able to work, and if not, why not."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.errors import PassingTrouble
from plugin.delivery.overview import destination_alerts
from plugin.drift.charts import drift_alerts
from plugin.identity import node_version
from plugin.parts import Parts
from plugin.receive import STORM
from plugin.server_line import all_executors
from plugin.space import NO_ROOM
from plugin.submit import INFERENCE_QUEUE
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
    if parts.sender.starts and not is_ready(parts.sender):
        reasons.append(f"the sender of deliveries is not ready: {parts.sender.reason}")
    watched = all_watched(parts.ledger.engine)
    others = other_workers(parts)
    if others and not workers and all(one["shortage"] for one in others):
        reasons.append(f"no worker takes jobs: {short_of_space(others[0])}")
    reasons += disk_reasons(parts)
    reasons += orthanc_reasons(parts)
    return {
        "status": "unavailable" if reasons else "ok",
        "reasons": reasons,
        "version": node_version(),
        "workers": workers,
        "other_workers": others,
        "queue": parts.ledger.counts(),
        "pending_series": len(watched),
        "alerts": alerts(watched)
        + [short_of_space(one) for one in others if one["shortage"]]
        + drifting(parts)
        + destination_alerts(parts.ledger, parts.destinations.destinations()),
    }


def other_workers(parts: Parts) -> list[dict[str, Any]]:
    """Those of other nodes, and of `orthogen worker`, that share the database."""
    own = {(socket.gethostname(), worker.pid) for worker in parts.workers}
    return [
        {
            "host": one.host,
            "pid": one.pid,
            "silent_seconds": round(max(one.silent_s, 0.0), 1),
            "shortage": one.shortage,
        }
        for one in all_executors(parts.ledger.engine)
        if one.calls == INFERENCE_QUEUE and (one.host, one.pid) not in own
    ]


def short_of_space(other: Mapping[str, Any]) -> str:
    return f"worker {other['pid']} on {other['host']} takes no jobs: {other['shortage']}"


def disk_reasons(parts: Parts) -> list[str]:
    """Which disk is full, as the node sees it, and as jobs under way have met it."""
    seen = parts.space.shortages() or [parts.alarm.text] * bool(parts.alarm.text)
    waiting = (job for job in parts.ledger.jobs(state="running") if job.stage == NO_ROOM)
    return seen + [f"job {job.id} waits: {'; '.join(job.reasons)}" for job in waiting]


def alerts(watched: Sequence[Watched]) -> list[str]:
    """What an administrator should look at although the node works."""
    return sorted({one.reason for one in watched if one.reason.startswith(STORM)})


def drifting(parts: Parts) -> list[str]:
    """Figures of the gate that have left their control limits."""
    with parts.ledger.engine.connect() as connection:
        return drift_alerts(connection)


def is_ready(worker: Any) -> bool:
    return worker.pid is not None and worker.ready


def orthanc_reasons(parts: Parts) -> list[str]:
    try:
        parts.reception.orthanc.json("/system")
    except PassingTrouble as trouble:
        return [str(trouble)]
    return []
