"""Values of a header by keyword, where a damaged element is a reason to refuse and never a crash."""

from __future__ import annotations

import struct
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue

from pipelines.errors import Refused

UNDECODABLE = (
    BytesLengthException,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    EOFError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises on values that break their VR."""


def value_of(header: Dataset, keyword: str) -> Any:
    """The decoded value; None when absent or empty. Raises Refused (`unreadable-element`)."""
    try:
        value = header.get(keyword)
    except UNDECODABLE as problem:
        raise _unreadable(keyword) from problem
    return None if value is None or value == "" or value == b"" else value


def numbers_of(header: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of a numeric attribute; none when absent. Raises Refused (`unreadable-element`)."""
    value = value_of(header, keyword)
    if value is None:
        return ()
    try:
        return tuple(float(part) for part in (value if isinstance(value, MultiValue) else [value]))
    except (ValueError, TypeError) as problem:
        raise _unreadable(keyword) from problem


def texts_of(header: Dataset, keyword: str) -> list[str]:
    """All values of an attribute as text. Raises Refused (`unreadable-element`)."""
    value = value_of(header, keyword)
    if value is None:
        return []
    return [str(part) for part in (value if isinstance(value, MultiValue) else [value])]


def text_of(header: Dataset, keyword: str) -> str:
    """The first value as text; empty when absent. Raises Refused (`unreadable-element`)."""
    return (texts_of(header, keyword) or [""])[0]


def _unreadable(keyword: str) -> Refused:
    return Refused(
        "unreadable-element", f"{keyword} cannot be decoded", remedy="have the sender repair the instance"
    )
