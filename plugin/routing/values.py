"""DICOM values from text to what can be compared (PS3.5 section 6.2), never raising on what a study holds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from unicodedata import normalize

from plugin.routing.attributes import SINGLE_TEXT_VRS, Kind, RuleAttribute
from plugin.routing.facts import Attribute

Value = str | float
"""Text and dates (YYYYMMDD) as str; numbers, seconds of day, seconds since 1970 and years of age as float."""

PADDING = " \0"
YEARS_PER_UNIT = MappingProxyType({"D": 1 / 365.2425, "W": 7 / 365.2425, "M": 1 / 12, "Y": 1.0})
DATETIME_PATTERN = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?([+-]\d{4})?")
TIME_PATTERN = re.compile(r"(\d\d):?(\d\d)?:?(\d\d)?(\.\d{1,6})?")


def split_values(value: Attribute, attribute: RuleAttribute) -> tuple[str, ...]:
    """The values as text without padding; empty where the attribute is there but holds nothing."""
    if not isinstance(value, str):
        parts = tuple(str(part).strip(PADDING) for part in value)
    elif attribute.vr in SINGLE_TEXT_VRS:
        parts = (value.strip(PADDING),)
    else:
        parts = tuple(part.strip(PADDING) for part in value.split("\\"))
    return parts if any(parts) else ()


def parse_value(kind: Kind, text: str) -> Value | None:
    """What `text` is worth among values of its kind; None where it breaks the rules of that kind."""
    return PARSERS[kind](text)


def _text(text: str) -> str:
    return text if text.isascii() else normalize("NFC", text)


def _number(text: str) -> float | None:
    # float() takes "1_0" and "nan", a decimal string does not.
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str) -> str | None:
    digits = text.replace(".", "").replace("-", "")
    try:
        return datetime.strptime(digits, "%Y%m%d").strftime("%Y%m%d") if len(digits) == 8 else None
    except ValueError:
        return None


def _time(text: str) -> float | None:
    """Seconds since midnight of HH[MM[SS[.FFFFFF]]], colons allowed."""
    found = TIME_PATTERN.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return hours * 3600 + minutes * 60 + seconds + float(found[4] or 0)


def _datetime(text: str) -> float | None:
    """Seconds since 1970 of YYYY[MM[DD[HH[MM[SS[.FFFFFF]]]]]][&ZZXX]; without an offset, as UTC."""
    found = DATETIME_PATTERN.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups()[:6])
    offset = found[8]
    try:
        zone = _zone(offset) if offset else UTC
        moment = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=zone)
        return moment.timestamp() + float(found[7] or 0)
    except (ValueError, OverflowError):
        return None


def _zone(offset: str) -> timezone:
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5])))


def _age(text: str) -> float | None:
    """Years of an age string such as 018M or 065Y."""
    if len(text) < 2 or text[-1] not in YEARS_PER_UNIT or not (text[:-1].isascii() and text[:-1].isdigit()):
        return None
    return int(text[:-1]) * YEARS_PER_UNIT[text[-1]]


PARSERS: MappingProxyType[Kind, Callable[[str], Value | None]] = MappingProxyType(
    {
        "text": _text,
        "number": _number,
        "date": _date,
        "time": _time,
        "datetime": _datetime,
        "age": _age,
        "address": _text,
        "presence": _text,
    }
)
