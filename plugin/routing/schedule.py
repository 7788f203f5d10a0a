"""Off-peak hours: when a job may start."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from plugin.routing.values import parse_value

Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


def _time_of_day(source: Any) -> time:
    seconds = parse_value("time", source) if isinstance(source, str) and ":" in source else None
    if not isinstance(source, time) and not (isinstance(seconds, float) and seconds < 86_400):
        raise PydanticCustomError(
            "time", "{value} is no time of day", {"value": repr(source), "allowed": '"HH:MM"'}
        )
    return (
        source if isinstance(source, time) else (datetime.min + timedelta(seconds=float(seconds or 0))).time()
    )


def _some_day(days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    if not days:
        raise PydanticCustomError("days", "no day is named", {"allowed": "leave Days out for every day"})
    return days


TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]


class Schedule(BaseModel):
    """A daily window in local time; one that ends before it begins reaches into the next day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: TimeOfDay = Field(alias="From")
    end: TimeOfDay = Field(alias="To")
    days: Annotated[tuple[Weekday, ...], AfterValidator(_some_day)] = Field(default=WEEKDAYS, alias="Days")
    """The days on which the window opens."""

    def start(self, moment: datetime) -> datetime:
        """The earliest time, not before `moment`, at which a job may start; same time zone as `moment`."""
        openings = (self._opening(moment + timedelta(days=ahead)) for ahead in range(-1, 9))
        return next(max(opens, moment) for opens, closes in filter(None, openings) if moment < closes)

    def _opening(self, day: datetime) -> tuple[datetime, datetime] | None:
        """When the window that opens on that day opens and closes."""
        if WEEKDAYS[day.weekday()] not in self.days:
            return None
        opens = datetime.combine(day.date(), self.begin, tzinfo=day.tzinfo)
        closes = datetime.combine(day.date(), self.end, tzinfo=day.tzinfo)
        return opens, closes if closes > opens else closes + timedelta(days=1)
