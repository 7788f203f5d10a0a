"""A parallel map that keeps the order, looks ahead a bounded way, and lets go cleanly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], *, executor: Executor, ahead: int
) -> Generator[R, None, None]:
    """`function` of every item, in the items' order, with at most `ahead` of them under way at once.

    `items` is pulled in the caller's thread, one at a time, and only when a result was taken. When the
    caller stops (closes the iterator) or anything raises, what has not begun is cancelled, what runs is
    waited for, and `items` is closed too if it can be: no call of `function` outlives this iterator.
    """
    if ahead < 1:
        raise ValueError(f"ahead is {ahead}: at least one item must be under way")
    return _mapped(function, items, executor, ahead)


def _mapped(
    function: Callable[[T], R], items: Iterable[T], executor: Executor, ahead: int
) -> Generator[R, None, None]:
    under_way: deque[Future[R]] = deque()
    try:
        for item in items:
            under_way.append(executor.submit(function, item))
            if len(under_way) >= ahead:
                yield _first(under_way)
        while under_way:
            yield _first(under_way)
    finally:
        _let_go(under_way)
        if close := getattr(items, "close", None):
            close()


def _first(under_way: deque[Future[R]]) -> R:
    result = under_way[0].result()
    under_way.popleft()
    return result


def _let_go(under_way: deque[Future[R]]) -> None:
    for future in under_way:
        future.cancel()
    wait(under_way)
