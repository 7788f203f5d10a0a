"""How far a delivery has come, written while it runs; where a lost delivery is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipelines.errors import JobInterrupted
from plugin.delivery.deliveries import Delivery, delivery_in, is_same
from plugin.delivery.images import Image, note_fates
from plugin.ledger import Ledger
from plugin.meanwhile import meanwhile

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
        self._hang_up: Callable[[], None] | None = None
        self.sent = 0

    def move(self) -> None:
        """It is not stuck."""
        self._moved_at = time.monotonic()

    def note(self, image: Image) -> None:
        self.move()
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
    def over(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """While `hang_up` is how to cut the connection in use."""
        self.move()
        self._hang_up = hang_up
        try:
            yield
        finally:
            self._hang_up = None

    def hang_up_if_lost(self) -> None:
        """A destination that does not answer must hold up neither a cancellation nor the queue."""
        hang_up = self._hang_up
        if hang_up is not None and (self._is_stuck() or self._is_lost()):
            hang_up()

    def _is_stuck(self) -> bool:
        """Time-outs of libraries cover neither a peer that takes no more bytes nor one that drips them."""
        return time.monotonic() - self._moved_at > 2 * self._limit_s

    def _is_lost(self) -> bool:
        with self._ledger.engine.connect() as connection:
            present = delivery_in(connection, self._delivery.job_id, self._delivery.destination)
        return not self._is_ours(present) and not _waits_for_report(present)

    def _is_ours(self, present: Delivery | None) -> bool:
        return present is not None and present.state == "sending" and is_same(present, self._delivery)


def _waits_for_report(present: Delivery | None) -> bool:
    return present is not None and present.state in ("committing", "delivered", "queued")


@contextmanager
def hung_up_when_lost(progress: Progress) -> Iterator[None]:
    """Looks every second whether the delivery is still ours and moving, and cuts its connection when not."""
    with meanwhile(progress.hang_up_if_lost, every_s=LOOK_EVERY_S, name="delivery-watch"):
        yield
