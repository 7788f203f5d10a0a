"""Which of the queue's workflows have ended: asked to find the turns that ended before they began."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dbos import DBOSClient

ACTIVE = ("PENDING", "ENQUEUED", "DELAYED")
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
IDS_AT_ONCE = 500
"""Well below the number of parameters that a statement may have in any SQLite."""


def ended_among(client: DBOSClient, workflow_ids: Sequence[str]) -> set[str]:
    """Those that are known and will not run again; an unknown one has not ended."""
    ended: set[str] = set()
    for first in range(0, len(workflow_ids), IDS_AT_ONCE):
        some = list(workflow_ids[first : first + IDS_AT_ONCE])
        found = client.list_workflows(
            workflow_ids=some, status=list(ENDED), load_input=False, load_output=False
        )
        ended |= {workflow.workflow_id for workflow in found}
    return ended


class Seldom:
    """Paces a look at everything that waits: at every round of the node it would cost too much."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last = float("-inf")

    def is_due(self) -> bool:
        """True the first time, and then once in each period."""
        due = time.monotonic() - self._last >= self._every_s
        self._last = time.monotonic() if due else self._last
        return due
