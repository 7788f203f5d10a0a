import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ahead import map_ahead


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@settings(max_examples=30, deadline=None)
@given(delays=st.lists(st.integers(0, 3), max_size=20), ahead=st.integers(1, 8))
def test_results_come_in_the_order_of_the_items(delays: list[int], ahead: int) -> None:
    def slow(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 1000)
        return item[0]

    with ThreadPoolExecutor(4) as pool:
        assert list(map_ahead(slow, enumerate(delays), executor=pool, ahead=ahead)) == list(
            range(len(delays))
        )


def test_items_are_pulled_only_as_far_as_allowed(executor: Executor) -> None:
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for index in range(50):
            pulled.append(index)
            yield index

    results = map_ahead(lambda item: item, source(), executor=executor, ahead=3)
    for taken in range(10):
        assert next(results) == taken
        assert len(pulled) == taken + 3


def test_calls_really_run_at_the_same_time(executor: Executor) -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(list(map_ahead(lambda _: meeting.wait(), range(3), executor=executor, ahead=3))) == 3


def test_stopping_early_cancels_what_waits_and_outlives_nothing() -> None:
    begun: list[int] = []
    running = threading.Event()

    def slow(item: int) -> int:
        begun.append(item)
        if item:
            running.set()
            time.sleep(0.1)
        return item

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(slow, range(100), executor=pool, ahead=8)
        assert next(results) == 0
        running.wait(5)
        results.close()
        after = len(begun)
        time.sleep(0.2)
        assert len(begun) == after <= 3


def test_an_error_in_a_call_reaches_the_caller_and_closes_the_source(executor: Executor) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    def fails_on_three(item: int) -> int:
        if item == 3:
            raise ArithmeticError("three")
        return item

    results = map_ahead(fails_on_three, source(), executor=executor, ahead=4)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(ArithmeticError, match="three"):
        next(results)
    assert closed.is_set()


def test_an_error_in_the_source_waits_for_what_runs(executor: Executor) -> None:
    finished: list[int] = []

    def source() -> Iterator[int]:
        yield from range(2)
        raise OSError("disk gone")

    def slow(item: int) -> int:
        time.sleep(0.05)
        finished.append(item)
        return item

    with pytest.raises(OSError, match="disk gone"):
        list(map_ahead(slow, source(), executor=executor, ahead=4))
    assert sorted(finished) == [0, 1]


def test_looking_ahead_by_nothing_is_refused_at_once(executor: Executor) -> None:
    with pytest.raises(ValueError, match="ahead is 0"):
        map_ahead(str, [], executor=executor, ahead=0)
