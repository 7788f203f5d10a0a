"""What is wrong with a configuration: where, what, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One mistake. `str()` gives the line that `orthogen check` prints after the file's name."""

    path: str
    """The key, as `Rules[0].When.Modality`."""
    what: str
    allowed: str
    severity: Severity = "error"

    def under(self, parent: str) -> Problem:
        """The same problem, seen from one level higher."""
        return replace(self, path=join_path(parent, self.path))

    def __str__(self) -> str:
        mark = "" if self.severity == "error" else "warning: "
        return f"{self.path}: {mark}{self.what}; {self.allowed}"


def join_path(parent: str, child: str) -> str:
    """`Rules[0]` and `When.Modality` to `Rules[0].When.Modality`; an index needs no dot."""
    if not parent or not child:
        return parent or child
    return f"{parent}{child}" if child.startswith("[") else f"{parent}.{child}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'Modality'?`, or an empty text when nothing is near."""
    by_lower = {name.lower(): name for name in sorted(known, reverse=True)}
    close = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.7)
    return f"did you mean '{by_lower[close[0]]}'?" if close else ""


def either(names: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = list(names) or ["nothing"]
    return f"{', '.join(first)} or {last}" if first else last
