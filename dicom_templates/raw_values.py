"""Single values out of raw elements, for the few that every slice needs: a general decoder costs
twenty times as much. Each function answers None for an absent, empty or unreadable element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue

from dicom_templates.explicit_vr import RawElement

_SPECIFIC_CHARACTER_SET = 0x00080005

Elements = Mapping[int, RawElement]


def raw_bytes(elements: Elements, tag: int) -> bytes | None:
    """The value field without its padding; None when absent or empty."""
    raw = elements.get(tag)
    if isinstance(raw, DataElement):
        values = raw.value if isinstance(raw.value, MultiValue) else [raw.value]
        return "\\".join("" if each is None else str(each) for each in values).encode("utf-8") or None
    if raw is None:
        return None
    return (raw.value or b"").strip(b" \0") or None


def text(elements: Elements, tag: int) -> str | None:
    """A value of the default repertoire (codes, UIDs, numbers as text); never for names."""
    value = raw_bytes(elements, tag)
    return None if value is None else value.decode("ascii", "replace")


def texts(elements: Elements, tag: int) -> list[str]:
    """All values of a multi-valued code string."""
    return [part.strip(" ") for part in (text(elements, tag) or "").split("\\")]


def character_set(elements: Elements) -> list[str] | None:
    """The terms of Specific Character Set; None where it is absent."""
    return texts(elements, _SPECIFIC_CHARACTER_SET) if raw_bytes(elements, _SPECIFIC_CHARACTER_SET) else None


def decimals(elements: Elements, tag: int) -> tuple[float, ...] | None:
    """The values of a decimal or integer string."""
    value = raw_bytes(elements, tag)
    try:
        return None if value is None else tuple(float(part) for part in value.split(b"\\"))
    except ValueError:
        return None


def decimal(elements: Elements, tag: int) -> float | None:
    """The first value of a decimal or integer string."""
    values = decimals(elements, tag)
    return values[0] if values else None


def short(elements: Elements, tag: int, *, signed: bool = False) -> int | None:
    """The first value of a 16-bit binary number, in the byte order it was stored in."""
    raw = elements.get(tag)
    if not isinstance(raw, RawDataElement):
        return int(raw.value) if raw is not None and raw.value is not None else None
    if raw.value is None or len(raw.value) < 2:
        return None
    order: Literal["little", "big"] = "little" if raw.is_little_endian else "big"
    return int.from_bytes(raw.value[:2], order, signed=signed)
