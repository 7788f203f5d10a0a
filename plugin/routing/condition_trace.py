"""What a comparison leaves behind for the explanation."""

from __future__ import annotations

from typing import Any, NamedTuple

Expected = str | float | bool | tuple[Any, ...]

HIDDEN = "(hidden)"
"""Stands in traces for every value of an attribute that points at a person."""


class ConditionTrace(NamedTuple):
    """What one comparison wanted and what it saw."""

    attribute: str
    operator: str
    expected: Expected
    seen: str | None
    """Several values as DICOM writes them (`A\\B`), those of several instances as `A | B`; None: missing."""
    holds: bool
    path: str
    """The key within the rule, as `When.Any[0].Modality.Equals`."""
    note: str = ""
    """Why a comparison fails that looks as if it should hold."""

    @property
    def because(self) -> str:
        """`Modality Equals CT, saw MR`."""
        saw = "nothing" if self.seen is None else self.seen
        note = f" ({self.note})" if self.note else ""
        return f"{self.attribute} {self.operator} {written(self.expected)}, saw {saw}{note}"

    def as_json(self) -> dict[str, Any]:
        expected = list(self.expected) if isinstance(self.expected, tuple) else self.expected
        return self._asdict() | {"expected": expected}


def written(expected: Expected) -> str:
    """`CT, MR`, `1.5`, `true`, as a person reads it."""
    if isinstance(expected, str):
        return expected
    if isinstance(expected, bool):
        return str(expected).lower()
    if isinstance(expected, tuple):
        return ", ".join(written(part) for part in expected)
    return f"{expected:.12g}"
