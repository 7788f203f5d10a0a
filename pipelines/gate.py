"""The quality gate: is a result fit to be shown, judged without a reference, slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Literal

from pipelines.manifest import Manifest
from pipelines.manifest_part import Bounds
from pipelines.slice_figures import ClassFigures, SliceFigures, measure
from pipelines.volume import SliceResult

Level = Literal["PASS", "WARN", "HOLD"]

LEAST_BLOCKS = 200
"""Blocks (16 pixels each) a tissue class must have before its mean is judged."""


@dataclass(frozen=True)
class Verdict:
    """PASS, WARN or HOLD, why in words for a radiologist, and every figure behind it."""

    level: Level
    reasons: tuple[str, ...]
    figures: Mapping[str, float]


@dataclass(frozen=True)
class _Finding:
    level: Level
    reason: str


class Gate:
    """Watches one job's results go by and gives its verdict when they have passed."""

    def __init__(self, manifest: Manifest) -> None:
        self._thresholds = manifest.gate
        self._quantity = manifest.inputs[0].quantity
        self._in_hu = self._quantity == "hounsfield_units"
        self._values = manifest.inputs[0].values
        self._keeps_values = manifest.task != "translate"
        self._slices: list[SliceFigures] = []

    def observe(self, result: SliceResult) -> None:
        """Measure one slice; only its figures are kept."""
        self._slices.append(measure(result, self._quantity))

    def watch(self, results: Iterable[SliceResult]) -> Iterator[SliceResult]:
        """Hand the results on unchanged, measuring each."""
        for result in results:
            self.observe(result)
            yield result

    def verdict(self) -> Verdict:
        """The judgement on all slices observed so far; HOLD if there were none."""
        figures = {"slices": float(len(self._slices))}
        findings = [*self._soundness(), *self._source_range(figures)]
        if self._keeps_values:
            findings += [
                *self._unchanged(),
                *self._mean_shift(figures),
                *self._noise_removed(figures),
                *self._noise_left(figures),
                *self._structure(figures),
            ]
        levels = {finding.level for finding in findings}
        level: Level = "HOLD" if "HOLD" in levels else "WARN" if "WARN" in levels else "PASS"
        return Verdict(level, tuple(finding.reason for finding in findings), figures)

    def _soundness(self) -> Iterator[_Finding]:
        if not self._slices:
            yield _Finding("HOLD", "There is no result image.")
        if broken := [figures.index for figures in self._slices if not figures.finite]:
            yield _Finding("HOLD", f"{_slices(broken)} hold values that are not numbers.")
        if blank := [figures.index for figures in self._slices if figures.constant]:
            yield _Finding("HOLD", f"{_slices(blank)} are blank although the source is not.")

    def _source_range(self, figures: dict[str, float]) -> Iterator[_Finding]:
        """Slices whose own range is wider than what the pipeline was validated on."""
        if not self._slices:
            return
        lower = median(slice_.source_range[0] for slice_ in self._slices)
        upper = median(slice_.source_range[1] for slice_ in self._slices)
        figures["source_1st_percentile"], figures["source_99th_percentile"] = lower, upper
        if self._values and not self._values[0] <= lower <= upper <= self._values[1]:
            found = f"{lower:.0f} to {upper:.0f}, validated for {self._values[0]:g} to {self._values[1]:g}"
            yield _Finding("WARN", f"The source's values are unlike those this pipeline knows ({found}).")

    def _unchanged(self) -> Iterator[_Finding]:
        if self._slices and all(figures.unchanged for figures in self._slices):
            yield _Finding("HOLD", "The result is identical to the source: nothing was done to it.")

    def _mean_shift(self, figures: dict[str, float]) -> Iterator[_Finding]:
        unit, (warn, hold) = ("HU", self._hu_limits) if self._in_hu else ("%", self._percent_limits)
        for name in sorted({name for slice_ in self._slices for name in slice_.classes}):
            parts = [slice_.classes[name] for slice_ in self._slices if name in slice_.classes]
            if sum(part.blocks for part in parts) < LEAST_BLOCKS:
                continue
            shift, worst = self._shift(parts), self._worst_shift(parts)
            key = f"mean_shift_{name.replace(' ', '_')}_{'hu' if self._in_hu else 'percent'}"
            figures[key], figures[f"worst_slice_{key}"] = shift, worst
            yield from _shifted(name.capitalize(), shift, unit, warn, hold)
            if self._in_hu and abs(shift) <= hold:
                yield from _shifted(f"In one slice: {name}", worst, unit, hold, hold)

    @property
    def _hu_limits(self) -> tuple[float, float]:
        return self._thresholds.mean_shift_warn_hu, self._thresholds.mean_shift_hold_hu

    @property
    def _percent_limits(self) -> tuple[float, float]:
        limits = self._thresholds
        return limits.mean_shift_warn_percent, limits.mean_shift_hold_percent

    def _shift(self, parts: Iterable[ClassFigures]) -> float:
        total = list(parts)
        shift = sum(part.shift_sum for part in total)
        if self._in_hu:
            return shift / sum(part.blocks for part in total)
        return 100.0 * shift / max(sum(part.source_sum for part in total), 1e-12)

    def _worst_shift(self, parts: Iterable[ClassFigures]) -> float:
        large = [self._shift([part]) for part in parts if part.blocks >= LEAST_BLOCKS]
        return max(large, key=abs, default=0.0)

    def _noise_removed(self, figures: dict[str, float]) -> Iterator[_Finding]:
        if not self._slices:
            return
        removed = median(slice_.noise_removed for slice_ in self._slices)
        figures["noise_removed_hu" if self._in_hu else "noise_removed_signal"] = removed
        if self._in_hu:
            words = f"An unusual amount of noise ({removed:.1f} HU) was removed"
            limits = self._thresholds
            warn, hold = limits.noise_removed_warn_hu, limits.noise_removed_hold_hu
            yield from _outside(removed, _up_to(warn), _up_to(hold), words)

    def _noise_left(self, figures: dict[str, float]) -> Iterator[_Finding]:
        ratios = [slice_.noise_ratio for slice_ in self._slices if slice_.noise_ratio is not None]
        if ratios:
            ratio = figures["noise_ratio"] = median(ratios)
            words = f"The result holds {100 * ratio:.0f} % of the source's noise"
            limits = self._thresholds
            yield from _outside(ratio, limits.noise_ratio_warn, limits.noise_ratio_hold, words)

    def _structure(self, figures: dict[str, float]) -> Iterator[_Finding]:
        sums = [sum(column) for column in zip(*(slice_.edge_moments for slice_ in self._slices), strict=True)]
        correlation = figures["structure_removed"] = _correlation(*sums) if sums else 0.0
        words = f"Organ edges show in what was removed ({correlation:.2f}): fine detail may be lost"
        limits = self._thresholds
        yield from _outside(correlation, _up_to(limits.structure_warn), _up_to(limits.structure_hold), words)


def _up_to(limit: float | None) -> Bounds | None:
    return None if limit is None else (-1.0, limit)


def _outside(figure: float, warn: Bounds | None, hold: Bounds | None, words: str) -> Iterator[_Finding]:
    levels: tuple[tuple[Level, Bounds | None], ...] = (("HOLD", hold), ("WARN", warn))
    for level, bounds in levels:
        if bounds is not None and not bounds[0] <= figure <= bounds[1]:
            limit = bounds[0] if figure < bounds[0] else bounds[1]
            yield _Finding(level, f"{words} (limit {limit:g}).")
            return


def _shifted(what: str, shift: float, unit: str, warn: float, hold: float) -> Iterator[_Finding]:
    change = f"{abs(shift):.1f} {unit} {'brighter' if shift > 0 else 'darker'} than in the source"
    if abs(shift) > hold:
        yield _Finding("HOLD", f"{what} is {change} (limit {hold:g} {unit}).")
    elif abs(shift) > warn:
        yield _Finding("WARN", f"{what} is {change} (limit {warn:g} {unit}).")


def _slices(indices: list[int]) -> str:
    shown = ", ".join(str(index + 1) for index in indices[:5])
    return f"Slices {shown}{' and more' if len(indices) > 5 else ''}"


def _correlation(count: float, x: float, y: float, xx: float, yy: float, xy: float) -> float:
    """Pearson's correlation from sums; 0 where either does not vary."""
    if count == 0:
        return 0.0
    variances = (xx - x * x / count) * (yy - y * y / count)
    return (xy - x * y / count) / sqrt(variances) if variances > 0 else 0.0
