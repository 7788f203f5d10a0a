"""Wakes the threads that look into queues: at once when work came, else only now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

SOON_S = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""The pauses after a ring. Several, because what rings may be seen a moment later only: a slot counts as
taken until DBOS has written the end of its job."""
OTHERWISE_S = 1.0
"""The net: a lost ring costs no more than this."""


def at_once() -> None:
    """For queues whose work may be taken at any time."""


class Ears(threading.Event):
    """In the place of the stop event that DBOS's queue threads wait on between two looks. It never stops
    them: these processes end at once, and their jobs are made for that.
    """

    def __init__(self, first: Callable[[], None] = at_once) -> None:
        super().__init__()
        self._first = first
        self._pauses: Iterator[float] = iter(SOON_S)

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        """Until the next look; always False."""
        if super().wait(next(self._pauses, timeout)):
            self.clear()
            self._pauses = iter(SOON_S[1:])
        self._first()
        return False


class Bell:
    """Heard by every queue's thread of this process."""

    def __init__(self) -> None:
        self._ears: tuple[Ears, ...] = ()

    def ears(self, first: Callable[[], None] = at_once) -> Ears:
        """For one more thread; `first` is called before each of its looks, and may keep it waiting."""
        ears = Ears(first)
        self._ears = (*self._ears, ears)
        return ears

    def ring(self) -> None:
        """From any thread; never waits."""
        for ears in self._ears:
            ears.set()
