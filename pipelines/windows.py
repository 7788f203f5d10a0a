"""Neighbourhoods of slices for 2.5D networks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def windows(slices: Iterable[T], context: int) -> Iterator[tuple[T, ...]]:
    """For each slice, the 2 * `context` + 1 slices around it; the first and last stand in for missing ones.

    Pulls only `context` slices ahead; a series of one slice gives one window of it alone, repeated.
    """
    size = 2 * context + 1
    window: deque[T] = deque(maxlen=size)
    for item in slices:
        window.extend([item] * (1 if window else context + 1))
        if len(window) == size:
            yield tuple(window)
    for _ in range(context if window else 0):
        window.append(window[-1])
        if len(window) == size:
            yield tuple(window)
