"""What the gate says, and how a figure is held against its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal

Level = Literal["PASS", "WARN", "HOLD"]
Bound = float | tuple[float, float] | None

AT_WARN = 0.7
"""Strain at a warn limit; at a hold limit it is 1."""


@dataclass(frozen=True)
class Finding:
    """One reason, and what it rests on."""

    level: Level
    reason: str
    figure: str = ""
    """Its name among the verdict's figures; empty where there is none."""
    value: float | None = None
    limit: float | None = None
    slice_index: int | None = None
    """The slice that shows it best, from 0."""


@dataclass(frozen=True)
class Judged:
    """A figure against its limits."""

    figure: str
    value: float
    strain: float
    """How near to the hold limit: 0 is as it should be, 1 and above is HOLD."""
    finding: Finding | None = None
    warn: Bound = None
    hold: Bound = None


@dataclass(frozen=True)
class Verdict:
    """PASS, WARN or HOLD, why in words for a radiologist, and every figure behind it."""

    level: Level
    reasons: tuple[str, ...]
    figures: Mapping[str, float]
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    limits: Mapping[str, tuple[Bound, Bound]] = field(default_factory=dict, compare=False)
    """Warn and hold limit of each figure that has any; a pair is the least and the most."""

    @property
    def score(self) -> float:
        """The largest strain of any figure: a ranking of studies from flawless to faulty."""
        return self.figures.get("gate_score", 0.0)


def verdict_of(judged: Iterable[Judged | Finding], figures: dict[str, float]) -> Verdict:
    """The worst of all, with each figure named once. A figure that is no number is HOLD, and not kept."""
    findings: list[Finding] = []
    limits: dict[str, tuple[Bound, Bound]] = {}
    score = 0.0
    for each in judged:
        if isinstance(each, Finding):
            findings.append(each)
            continue
        if not (isfinite(each.value) and isfinite(each.strain)):
            findings.append(
                Finding("HOLD", f"The figure {each.figure} is no number: nothing can be judged by it.")
            )
            continue
        figures[each.figure] = each.value
        if (each.warn, each.hold) != (None, None):
            limits[each.figure] = each.warn, each.hold
        score = max(score, each.strain)
        if each.finding is not None:
            findings.append(each.finding)
    levels = {finding.level for finding in findings}
    level: Level = "HOLD" if "HOLD" in levels else "WARN" if "WARN" in levels else "PASS"
    figures["gate_score"] = max(score, 1.0) if level == "HOLD" else score
    return Verdict(level, tuple(finding.reason for finding in findings), figures, tuple(findings), limits)


@dataclass(frozen=True)
class Limits:
    """Warn and hold limits of one figure; None is not checked."""

    warn: float | None
    hold: float | None
    ideal: float = 0.0
    """The value of a flawless result; limits may lie on either side of it."""

    def judge(
        self, figure: str, value: float, words: str, *, slice_index: int | None = None, unit: str = ""
    ) -> Judged:
        """`words` say what is wrong if it is; the limit is added."""
        reach = self._distance(value)
        for level, limit in self._levels():
            if limit is not None and reach > self._distance(limit):
                reason = f"{words} (limit {limit:g}{unit})."
                found = Finding(level, reason, figure, value, limit, slice_index)
                return Judged(figure, value, self._strain(reach), found, self.warn, self.hold)
        return Judged(figure, value, self._strain(reach), None, self.warn, self.hold)

    def _levels(self) -> Sequence[tuple[Level, float | None]]:
        return (("HOLD", self.hold), ("WARN", self.warn))

    def _distance(self, value: float) -> float:
        """From the ideal, towards the limits; never less than nothing."""
        limit = self.hold if self.hold is not None else self.warn
        towards = -1 if limit is not None and limit < self.ideal else 1
        return max(towards * (value - self.ideal), 0.0)

    def _strain(self, reach: float) -> float:
        """Straight lines from 0 at the ideal over the warn limit to 1 at the hold limit, and on."""
        hold = None if self.hold is None else self._distance(self.hold)
        warn = None if self.warn is None else self._distance(self.warn)
        if warn is None or (hold is not None and (reach >= hold or warn >= hold)):
            return reach / hold if hold else 0.0
        if reach <= warn:
            return AT_WARN * reach / warn if warn else 0.0
        if hold is None:
            return min(AT_WARN * reach / warn if warn else AT_WARN, 0.99)
        return AT_WARN + (1 - AT_WARN) * (reach - warn) / (hold - warn)


def both_sides(
    figure: str,
    value: float,
    words: str,
    warn: tuple[float, float] | None,
    hold: tuple[float, float] | None,
    ideal: float | None = None,
    slice_index: int | None = None,
) -> Judged:
    """A figure with a lower and an upper limit; `ideal` is the middle of the limits if not given."""
    bounds = hold or warn
    if bounds is None:
        return Judged(figure, value, 0.0)
    middle = (bounds[0] + bounds[1]) / 2 if ideal is None else ideal
    side = 0 if value < middle else 1
    limits = Limits(warn[side] if warn else None, hold[side] if hold else None, middle)
    return replace(limits.judge(figure, value, words, slice_index=slice_index), warn=warn, hold=hold)


def named_slices(indices: Sequence[int]) -> str:
    """`Slices 3, 4, 5`, counted from 1."""
    shown = ", ".join(str(index + 1) for index in indices[:5])
    return f"Slices {shown}{' and more' if len(indices) > 5 else ''}"
