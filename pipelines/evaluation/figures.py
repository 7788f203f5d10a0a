"""Measured values on their way to figures: rows of slices, series and patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Literal

from pipelines.measures.intervals import Interval, bootstrap_mean

Better = Literal["higher", "lower", "near zero", "near one", "neither"]
RESULT, INPUT, NLM, TV = "result", "input", "non-local means", "total variation"
LOOKUP, CURVE, REFERENCE = "intensity lookup", "learned curve", "reference"
ATTAINABLE = "attainable"
"""No image: what perfect knowledge of the anatomy would leave."""


@dataclass(frozen=True, order=True)
class Quantity:
    """What was measured, on what, where: what makes two values comparable."""

    tier: int
    figure: str
    unit: str
    """Empty for a pure number."""
    image: str
    """Of which image: result, input, or a baseline."""
    mask: str
    window: str = ""
    """Display window it was clipped to; empty for none."""
    better: Better = "neither"
    group: str = ""
    """Of which group of series (`--groups`); empty for all together."""

    @property
    def key(self) -> str:
        """One word chain that says it all, such as `rmse HU | result | body`."""
        what = f"{self.figure} {self.unit}".strip()
        group = f"group {self.group}" if self.group else ""
        return " | ".join(part for part in (what, self.image, self.mask, self.window, group) if part)

    def of(self, image: str) -> Quantity:
        """The same of another image."""
        return replace(self, image=image)

    def within(self, group: str) -> Quantity:
        """The same of one group of series."""
        return replace(self, group=group)


Values = Mapping[Quantity, float]


@dataclass
class Sums:
    """Means over the slices of a series, where not every slice has every quantity."""

    sums: dict[Quantity, float] = field(default_factory=dict)
    counts: dict[Quantity, int] = field(default_factory=dict)

    def add(self, values: Values) -> None:
        """Values that are no numbers (a ratio to nothing) count as not measured."""
        for quantity, value in values.items():
            if isfinite(value):
                self.sums[quantity] = self.sums.get(quantity, 0.0) + value
                self.counts[quantity] = self.counts.get(quantity, 0) + 1

    def means(self) -> dict[Quantity, float]:
        return {quantity: total / self.counts[quantity] for quantity, total in self.sums.items()}


@dataclass
class FigureTable:
    """One value per quantity and series, gathered by patient."""

    rows: dict[str, Sums] = field(default_factory=dict)

    def add(self, patient: str, values: Values) -> None:
        """A series' values; a patient's value is the mean over the patient's series."""
        self.rows.setdefault(patient, Sums()).add(values)

    @property
    def patients(self) -> list[str]:
        """In a fixed order: their numbers from 1."""
        return sorted(self.rows)

    def by_patient(self) -> dict[Quantity, dict[str, float]]:
        found: dict[Quantity, dict[str, float]] = {}
        for patient in self.patients:
            for quantity, value in self.rows[patient].means().items():
                found.setdefault(quantity, {})[patient] = value
        return dict(sorted(found.items()))

    def intervals(self) -> dict[Quantity, Interval]:
        """Mean over patients, with its interval."""
        return {
            quantity: bootstrap_mean(list(values.values())) for quantity, values in self.by_patient().items()
        }
