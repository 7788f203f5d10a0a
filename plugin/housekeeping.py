"""Before each look at what came: what is over is deleted, and only then it is asked whether there is room."""

from __future__ import annotations

import logging
import time

from pipelines.errors import PassingTrouble
from plugin.parts import Parts
from plugin.retention import Retention

TRY_ROOM_EVERY_S = 5.0
ROOM, RETENTION = "room", "retention"

log = logging.getLogger(__name__)


class Housekeeping:
    """Used by the receiver, and by nobody else."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tried_room_at = float("-inf")
        self._retention = Retention(parts.settings.retention, parts.results, parts.queue, parts.folders)

    def clean(self) -> None:
        """Retention, when it is due: it comes first because it makes room."""
        pause_s = self._retention.limits.pause_s
        if pause_s is None or time.time() - self._parts.ledger.last_done(RETENTION) < pause_s:
            return
        if not self._may_have_more():
            self._parts.ledger.note_done(RETENTION)

    def _may_have_more(self) -> bool:
        """Whatever goes wrong with what is over must not keep the node from what comes."""
        try:
            return self._retention.clean()
        except PassingTrouble as trouble:
            log.warning("retention: %s", trouble)
        except Exception:
            log.exception("retention met an error; it is tried again")
        return False

    def require_room(self) -> None:
        """Raises NoSpace; then nothing new is taken in, and what Orthanc has received stays in its log of
        changes. A write to the database, now and then, shows whether that still takes any.
        """
        self._parts.space.require()
        if time.monotonic() - self._tried_room_at > TRY_ROOM_EVERY_S or self._parts.alarm.text:
            self._parts.ledger.note_done(ROOM)
            self._tried_room_at = time.monotonic()
