"""Loops and storms."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.routing.guards import GuardLimits, check_hops, check_rate, source_of
from tests.routing.routing_builders import RECEIVED, a_series

THREE = GuardLimits.model_validate({"SeriesPerSourceAndHour": 3})


@pytest.mark.parametrize(
    ("hops", "allowed", "admitted"), [(0, 0, True), (1, 0, False), (1, 1, True), (2, 1, False)]
)
def test_a_series_made_by_too_many_nodes_is_no_input(hops: int, allowed: int, admitted: bool) -> None:
    admission = check_hops(hops, GuardLimits(hops=allowed))
    assert admission.admitted is admitted
    assert admitted or "against loops" in admission.reason


def test_the_cap_of_a_source_holds_a_series_back_until_the_hour_has_passed() -> None:
    earlier = [RECEIVED - timedelta(minutes=minutes) for minutes in (59, 30, 1)]
    admission = check_rate("CT1 at 10.1.2.3", earlier, now=RECEIVED, limits=THREE)
    assert not admission.admitted
    assert admission.retry == RECEIVED + timedelta(minutes=1)
    assert "CT1 at 10.1.2.3 has brought 3 series within an hour, the cap is 3" in admission.reason
    assert "Guards.SeriesPerSourceAndHour" in admission.reason


def test_where_the_cap_was_lowered_the_wait_ends_when_the_source_is_below_it() -> None:
    earlier = [RECEIVED - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10)]
    admission = check_rate("s", earlier, now=RECEIVED, limits=THREE)
    assert admission.retry == RECEIVED + timedelta(minutes=30)


def test_what_is_older_than_an_hour_does_not_count() -> None:
    earlier = [RECEIVED - timedelta(minutes=minutes) for minutes in (60, 61, 300, 10, 5)]
    assert check_rate("s", earlier, now=RECEIVED, limits=THREE).admitted


def test_a_source_is_an_ae_title_at_an_address() -> None:
    assert source_of(a_series(calling="CT1", address="10.1.2.3")) == "CT1 at 10.1.2.3"
    assert source_of(a_series(calling="", address="")) == "unknown AE title at unknown address"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 7200), max_size=60), st.integers(1, 5))
def test_in_no_hour_are_more_series_admitted_than_the_cap(seconds: list[int], cap: int) -> None:
    limits = GuardLimits(series_per_source_and_hour=cap)
    admitted: list[datetime] = []
    for arrived in sorted(seconds):
        now = RECEIVED + timedelta(seconds=arrived)
        admission = check_rate("s", admitted, now=now, limits=limits)
        if admission.admitted:
            admitted.append(now)
        elif admission.retry:
            assert check_rate("s", admitted, now=admission.retry, limits=limits).admitted
            assert not check_rate(
                "s", admitted, now=admission.retry - timedelta(seconds=1), limits=limits
            ).admitted
    for start in admitted:
        assert sum(start <= moment < start + timedelta(hours=1) for moment in admitted) <= cap
