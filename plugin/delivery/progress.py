"""How far a delivery has come, written while it runs; where a lost delivery is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom.association import Association

from pipelines.errors import JobInterrupted
from plugin.delivery.association import hang_up
from plugin.delivery.deliveries import Delivery, delivery_in
from plugin.delivery.images import Image, note_fates
from plugin.ledger import Ledger

FLUSH_EVERY_S = 0.25
"""At most what was sent in this time is sent again after a kill; the receiver then has it already."""
LOOK_EVERY_S = 1.0


class Progress:
    """Of one turn of one delivery."""

    def __init__(self, ledger: Ledger, delivery: Delivery, limit_s: float) -> None:
        """`limit_s`: the longest wait for one answer."""
        self._limit_s = limit_s
        self._moved_at = time.monotonic()
        self._ledger = ledger
        self._delivery = delivery
        self._unwritten: list[Image] = []
        self._written_at = time.monotonic()
        self._association: Association | None = None
        self.sent = 0

    def note(self, image: Image) -> None:
        self._moved_at = time.monotonic()
        self.sent += image.state == "stored"
        self._unwritten.append(image)
        if time.monotonic() - self._written_at >= FLUSH_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Raises JobInterrupted if the delivery was cancelled or has another turn by now."""
        with self._ledger.transaction() as connection:
            note_fates(connection, self._delivery, self._unwritten)
            present = delivery_in(connection, self._delivery.job_id, self._delivery.destination)
        self._unwritten.clear()
        self._written_at = time.monotonic()
        if not self._is_ours(present):
            raise JobInterrupted("the delivery was cancelled or taken over")

    @contextmanager
    def over(self, association: Association) -> Iterator[None]:
        """While this association is the one to abort."""
        self._moved_at = time.monotonic()
        self._association = association
        try:
            yield
        finally:
            self._association = None

    def hang_up_if_lost(self) -> None:
        """A destination that does not answer must hold up neither a cancellation nor the queue."""
        association = self._association
        if association is not None and (self._is_stuck() or self._is_lost()):
            hang_up(association)

    def _is_stuck(self) -> bool:
        """pynetdicom's own time-outs do not cover a peer that takes no more bytes."""
        return time.monotonic() - self._moved_at > 2 * self._limit_s

    def _is_lost(self) -> bool:
        with self._ledger.engine.connect() as connection:
            present = delivery_in(connection, self._delivery.job_id, self._delivery.destination)
        return not self._is_ours(present) and not _waits_for_report(present)

    def _is_ours(self, present: Delivery | None) -> bool:
        return present is not None and present.state == "sending" and present.turn == self._delivery.turn


def _waits_for_report(present: Delivery | None) -> bool:
    return present is not None and present.state in ("committing", "delivered", "queued")


@contextmanager
def hung_up_when_lost(progress: Progress) -> Iterator[None]:
    """Looks every second whether the delivery is still ours and moving, and cuts its association when not."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            progress.hang_up_if_lost()

    watcher = threading.Thread(target=look, name="delivery-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
