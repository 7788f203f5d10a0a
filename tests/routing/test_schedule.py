"""Off-peak hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.routing.schedule import WEEKDAYS, Schedule

WEDNESDAY = datetime(2026, 11, 18)


def window(begin: str, end: str, *days: str) -> Schedule:
    return Schedule.model_validate({"From": begin, "To": end} | ({"Days": list(days)} if days else {}))


@pytest.mark.parametrize(
    ("schedule", "asked", "starts"),
    [
        (window("19:00", "06:00"), "18 14:00", "18 19:00"),
        (window("19:00", "06:00"), "18 19:00", "18 19:00"),
        (window("19:00", "06:00"), "18 23:30", "18 23:30"),
        (window("19:00", "06:00"), "19 05:59", "19 05:59"),
        (window("19:00", "06:00"), "19 06:00", "19 19:00"),
        (window("12:00", "13:30"), "18 12:45", "18 12:45"),
        (window("12:00", "13:30"), "18 13:30", "19 12:00"),
        (window("00:00", "00:00"), "18 03:00", "18 03:00"),
        (window("19:00", "06:00", "Sat", "Sun"), "18 20:00", "21 19:00"),
        (window("19:00", "06:00", "Tue"), "18 05:00", "18 05:00"),
        (window("19:00", "06:00", "Tue"), "18 06:00", "24 19:00"),
    ],
)
def test_a_job_starts_in_the_window_and_never_before_it_is_there(
    schedule: Schedule, asked: str, starts: str
) -> None:
    def moment(text: str) -> datetime:
        return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M")

    assert schedule.start(moment(asked)) == moment(starts)


def test_the_window_is_in_local_time_whatever_the_clock_does() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before_the_change = datetime(2026, 10, 24, 12, tzinfo=berlin)
    start = window("03:00", "05:00").start(before_the_change)
    assert (start.isoformat(), start.utcoffset()) == ("2026-10-25T03:00:00+01:00", timedelta(hours=1))


@settings(max_examples=100, deadline=None)
@given(
    st.times().map(lambda time: f"{time:%H:%M}"),
    st.times().map(lambda time: f"{time:%H:%M}"),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.integers(0, 7 * 24 * 60),
)
def test_every_moment_has_a_start_within_eight_days_that_is_its_own_start(
    begin: str, end: str, days: set[str], minutes: int
) -> None:
    schedule = window(begin, end, *sorted(days))
    asked = WEDNESDAY + timedelta(minutes=minutes)
    start = schedule.start(asked)
    assert asked <= start <= asked + timedelta(days=8)
    assert schedule.start(start) == start
