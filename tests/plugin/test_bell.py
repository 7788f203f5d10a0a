"""The bell: who waits for work looks at once when it rings, and again now and then when it does not."""

from __future__ import annotations

import threading

from plugin.bell import SOON_S, Bell


def looks_until(bell: Bell, count: int) -> threading.Event:
    """Set once a thread, that would otherwise wait for an hour, has looked that often."""
    ears, enough = bell.ears(), threading.Event()

    def look() -> None:
        for _ in range(count):
            ears.wait(3600)
        enough.set()

    threading.Thread(target=look, daemon=True).start()
    return enough


def test_a_thread_looks_at_once_when_it_begins() -> None:
    assert looks_until(Bell(), len(SOON_S)).wait(30)


def test_every_thread_hears_a_ring_and_looks_several_times() -> None:
    bell = Bell()
    waiting = [looks_until(bell, 2 * len(SOON_S)) for _ in range(3)]
    assert not any(enough.wait(0.05) for enough in waiting)
    threading.Timer(sum(SOON_S) + 0.2, bell.ring).start()
    assert all(enough.wait(30) for enough in waiting)


def test_waiting_never_says_stop() -> None:
    ears = Bell().ears()
    ears.set()
    assert ears.wait(3600) is False
    assert ears.is_set() is False
