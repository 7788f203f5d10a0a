"""Preprocessing steps on intensities, each with its exact way back.

A step's `forward` gives the values for the next step and the inverse that carries a result from there
back. Steps run in the manifest's order, inverses in reverse; the source's array is never written to.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipelines.manifest_part import ManifestPart
from pipelines.placed import Inverse, Placed, Values


class Clip(ManifestPart):
    """Limit values to [Lower, Upper].

    Where the source lies outside, the result keeps the source's value (Outside "keep"), or whatever the
    network gave ("limit", for results that are not in the source's quantity).
    """

    step: Literal["clip"]
    lower: float
    upper: float
    outside: Literal["keep", "limit"] = "keep"

    @model_validator(mode="after")
    def _lower_is_below_upper(self) -> Clip:
        if self.lower >= self.upper:
            raise ValueError(f"Lower {self.lower:g} must be below Upper {self.upper:g}")
        return self

    def forward(self, placed: Placed) -> tuple[Placed, Inverse]:
        values = placed.values
        if values.min() >= self.lower and values.max() <= self.upper:
            return placed, unchanged
        clipped = placed.with_values(np.clip(values, self.lower, self.upper))
        if self.outside == "limit":
            return clipped, unchanged
        outside = (values < self.lower) | (values > self.upper)
        return clipped, lambda result: keep(result, values, outside)


class Scale(ManifestPart):
    """(value - Subtract) / Divide, and back."""

    step: Literal["scale"]
    divide: float = Field(gt=0)
    subtract: float = 0.0

    def forward(self, placed: Placed) -> tuple[Placed, Inverse]:
        values = placed.values
        shifted = np.subtract(values, np.float32(self.subtract)) if self.subtract else values
        return placed.with_values(np.divide(shifted, np.float32(self.divide))), self._back

    def _back(self, result: Values) -> Values:
        result *= np.float32(self.divide)
        if self.subtract:
            result += np.float32(self.subtract)
        return result


class Normalise(ManifestPart):
    """Divide by the series' own value at a percentile, for signal without a unit (MR).

    The percentile is that of the whole series, so a slice-wise pipeline with this step first collects its
    slices. It must be the first step.
    """

    step: Literal["normalise"]
    percentile: float = Field(default=99.5, gt=50, le=100)

    def fixed(self, series: NDArray[np.float32]) -> Scale:
        """The plain scaling this step is for `series`, the measured values of any shape."""
        if not series.size:
            return Scale(Step="scale", Divide=1.0)
        level = float(np.percentile(series, self.percentile))
        return Scale(Step="scale", Divide=level if level > 0 else 1.0)


def keep(result: Values, source: Values, where: NDArray[np.bool_]) -> Values:
    """`result` with the source's own values where `where` is True."""
    np.copyto(result, source, where=where)
    return result


def unchanged(result: Values) -> Values:
    """The inverse of a step that did nothing."""
    return result
