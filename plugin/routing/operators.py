"""What a condition can ask of a value. Operands are checked and compiled when a rule is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any, Literal
from unicodedata import normalize

import re2

from pipelines.errors import ConfigurationError
from plugin.routing.attributes import Kind, RuleAttribute
from plugin.routing.problems import either
from plugin.routing.reading import Occurrence
from plugin.routing.values import Value, parse_value

Operator = Literal[
    "Equals", "OneOf", "Matches", "Contains", "AtLeast", "AtMost", "Between", "Exists", "Absent"
]
Accepts = Callable[[Occurrence], bool]

RELATIVE_TOLERANCE = 1e-6
"""Decimal strings made from 32-bit floats (1.2000000476837) still equal what a person writes (1.2)."""

_ORDERED: tuple[Operator, ...] = ("Equals", "OneOf", "AtLeast", "AtMost", "Between", "Matches")
_PRESENCE: tuple[Operator, ...] = ("Exists", "Absent")
OPERATORS_OF_KIND: MappingProxyType[Kind, tuple[Operator, ...]] = MappingProxyType(
    {
        "text": ("Equals", "OneOf", "Contains", "Matches", *_PRESENCE),
        "address": ("Equals", "OneOf", "Matches", *_PRESENCE),
        "presence": _PRESENCE,
        **dict.fromkeys(("number", "date", "time", "datetime", "age"), _ORDERED + _PRESENCE),
    }
)

OPERAND_OF_KIND: MappingProxyType[Kind, str] = MappingProxyType(
    {
        "text": "a text",
        "number": "a number",
        "date": 'a date as "YYYYMMDD" or "YYYY-MM-DD"',
        "time": 'a time as "HH:MM" or "HH:MM:SS"',
        "datetime": 'a date and time as "YYYYMMDDHHMMSS"',
        "age": 'a number of years, or an age as "018Y", "006M", "010D"',
        "address": 'an address or network as "10.1.2.3" or "10.1.0.0/16"',
        "presence": "true or false",
    }
)


class OperandError(ConfigurationError):
    """An operand that an operator cannot take; `remedy` says what it can."""

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(what, remedy=allowed)


def compile_operator(attribute: RuleAttribute, operator: Operator, operand: Any) -> Accepts:
    """A function that says whether an occurrence satisfies the operator.

    Texts: one of several values suffices. Numbers, dates and times: every value must satisfy it.
    Raises OperandError.
    """
    match operator:
        case "Exists" | "Absent":
            wanted = _boolean(operand) == (operator == "Exists")
            return lambda seen: bool(seen.parts) == wanted
        case "Matches":
            return compile_pattern(operand)
        case "Contains":
            fragment = _fragment(operand)
            return lambda seen: any([fragment in str(value) for value in seen.values or ()])
        case "Equals" if (
            attribute.kind == "text" and isinstance(operand, Sequence) and not isinstance(operand, str)
        ):
            whole = tuple(_operand("text", part) for part in operand)
            return lambda seen: seen.values == whole
        case "Equals":
            return _one_of(attribute.kind, [operand])
        case "OneOf":
            return _one_of(attribute.kind, _several(operand))
        case "AtLeast":
            return _within(attribute.kind, _operand(attribute.kind, operand), None)
        case "AtMost":
            return _within(attribute.kind, None, _operand(attribute.kind, operand))
        case "Between":
            return _between(attribute.kind, operand)


def compile_pattern(operand: Any) -> Accepts:
    """Searches each value in time linear in its length (RE2 syntax). Raises OperandError."""
    allowed = 'a regular expression in RE2 syntax (no look-around, no back-references), as "(?i)axial"'
    if not isinstance(operand, str):
        raise OperandError(f"{operand!r} is not a text", allowed)
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        search = re2.compile(normalize("NFC", operand).encode("utf-8", "replace"), options).search
    except re2.error as impossible:
        cause = impossible.args[0].decode(errors="replace") if impossible.args else "it cannot be compiled"
        raise OperandError(
            f"{operand!r} is no regular expression that can be used: {cause}", allowed
        ) from None
    return lambda seen: any([search(part) is not None for part in seen.encoded])


def _one_of(kind: Kind, operands: Sequence[Any]) -> Accepts:
    if kind == "address":
        return _in_networks(operands)
    if kind == "text":
        wanted = frozenset(_operand(kind, operand) for operand in operands)
        return lambda seen: not wanted.isdisjoint(seen.values or ()) or seen.text in wanted
    ranges = [_within(kind, value, value) for value in (_operand(kind, operand) for operand in operands)]
    if len(ranges) == 1:
        return ranges[0]
    return lambda seen: (
        bool(seen.values)
        and all(any(one.low <= value <= one.high for one in ranges) for value in seen.values or ())
    )


def _in_networks(operands: Sequence[Any]) -> Accepts:
    networks = [_network(operand) for operand in operands]

    def accepts(seen: Occurrence) -> bool:
        try:
            return bool(seen.parts) and any(ip_address(seen.parts[0]) in network for network in networks)
        except ValueError:
            return False

    return accepts


def _network(operand: Any) -> Any:
    try:
        return ip_network(operand if isinstance(operand, str) else "")
    except ValueError as impossible:
        raise OperandError(
            f"{operand!r} is no address or network ({impossible})", OPERAND_OF_KIND["address"]
        ) from None


@dataclass(frozen=True, slots=True)
class Within:
    """Every value at least `low` and at most `high`, which both belong to it."""

    low: Any
    high: Any

    def __call__(self, seen: Occurrence) -> bool:
        return bool(seen.values) and all([self.low <= value <= self.high for value in seen.values or ()])


def _within(kind: Kind, lowest: Value | None, highest: Value | None) -> Within:
    """None leaves a side open."""
    if isinstance(lowest, str) or isinstance(highest, str):
        return Within(lowest or "", highest or "99999999")
    tolerance = RELATIVE_TOLERANCE if kind in ("number", "age") else 0
    low = float("-inf") if lowest is None else lowest - abs(lowest) * tolerance
    high = float("inf") if highest is None else highest + abs(highest) * tolerance
    return Within(low, high)


def _between(kind: Kind, operand: Any) -> Accepts:
    limits = _several(operand)
    if len(limits) != 2:
        raise OperandError(f"{operand!r} has {len(limits)} values", "two values, the lowest and the highest")
    low, high = (_operand(kind, limit) for limit in limits)
    if low <= high:  # type: ignore[operator]
        return _within(kind, low, high)
    if kind != "time":
        raise OperandError(
            f"{limits[0]!r} is more than {limits[1]!r}", "the lowest value first, then the highest"
        )
    # "22:00" to "06:00" is the night.
    evening, morning = _within(kind, low, None), _within(kind, None, high)
    return lambda seen: evening(seen) or morning(seen)


def _operand(kind: Kind, operand: Any) -> Value:
    """The operand as a value of that kind. Raises OperandError."""
    allowed = OPERAND_OF_KIND[kind]
    numeric = kind in ("number", "age") and isinstance(operand, int | float) and not isinstance(operand, bool)
    value = parse_value("number", str(operand)) if numeric else None
    if isinstance(operand, str) and operand.strip():
        value = parse_value(kind, operand.strip())
    if value is None:
        raise OperandError(f"{operand!r} is not {allowed}", f"allowed is {allowed}")
    return value


def _fragment(operand: Any) -> str:
    """A text in which leading and trailing spaces count."""
    if not isinstance(operand, str) or not operand:
        raise OperandError(f"{operand!r} is not a text", "allowed is a text")
    return normalize("NFC", operand)


def _several(operand: Any) -> Sequence[Any]:
    if isinstance(operand, str) or not isinstance(operand, Sequence) or not operand:
        raise OperandError(f"{operand!r} is not a list", 'a list of values, as ["CT", "MR"]')
    return operand


def _boolean(operand: Any) -> bool:
    if not isinstance(operand, bool):
        raise OperandError(f"{operand!r} is neither true nor false", either(["true", "false"]))
    return operand
