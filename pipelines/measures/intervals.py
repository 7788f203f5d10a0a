"""Confidence over patients, and tests of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 2000
SEED = 20250101


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; no interval for a single value."""

    mean: float
    low95: float | None
    high95: float | None
    count: int


def bootstrap_mean(values: Sequence[float], resamples: int = RESAMPLES) -> Interval:
    """Mean over patients with its percentile interval (Efron 1979); patients are resampled, never slices.

    The generator's seed is fixed: the same values give the same digits. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("no values to take a mean of")
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 1:
        return Interval(float(sample[0]), None, None, 1)
    draws = np.random.default_rng(SEED).integers(0, sample.size, (resamples, sample.size))
    low, high = np.percentile(sample[draws].mean(axis=1), [2.5, 97.5])
    return Interval(float(sample.mean()), float(low), float(high), int(sample.size))


@dataclass(frozen=True)
class PairedTest:
    """One quantity measured on the same patients by two methods."""

    pairs: int
    median_difference: float
    """First minus second."""
    p: float | None
    """Two-sided, of Wilcoxon's signed ranks; None for a single pair, or where nothing differs."""


def wilcoxon(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Signed-rank test of pairs (Wilcoxon 1945; exact for few pairs, zeros dropped)."""
    differences = np.subtract(first, second, dtype=np.float64)
    median = float(np.median(differences))
    if differences.size < 2 or not np.any(differences):
        return PairedTest(int(differences.size), median, None)
    return PairedTest(int(differences.size), median, float(stats.wilcoxon(differences).pvalue))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted for as many tests as there are (Holm 1979): never below the value before, never above 1."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted, highest = {}, 0.0
    for place, (name, p) in enumerate(ordered):
        highest = max(highest, min(1.0, p * (len(ordered) - place)))
        adjusted[name] = highest
    return adjusted
