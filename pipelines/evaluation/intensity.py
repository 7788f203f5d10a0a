"""What a translation has to beat: curves from intensity to intensity, which see no anatomy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from pipelines.evaluation.figures import CURVE, LOOKUP
from pipelines.evaluation.scale import SeriesScale, least_squares_gain
from pipelines.evaluation.subject import Image, Subject
from pipelines.manifest_part import ManifestPart, read_part

LOOKUP_BINS = 256
Pixels = tuple[NDArray[np.float32], NDArray[np.float32]]


class LearnedCurve(ManifestPart):
    """The curve that other patients teach: points joined by straight lines, level beyond the ends."""

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(min_length=1)]
    """Whose it is, such as `all training patients`."""
    inputs: tuple[float, ...]
    """Rising: the source's intensity over its percentile in the foreground of the series."""
    outputs: tuple[float, ...]
    """Translated intensity, up to one gain for each series."""

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        if len(self.inputs) != len(self.outputs) or len(self.inputs) < 2 or np.any(np.diff(self.inputs) <= 0):
            raise ValueError("Inputs must rise, and be as many as Outputs, at least two")
        return self


class LearnedCurves(ManifestPart):
    """A file of curves (`--baseline-curve`)."""

    model_config = ConfigDict(populate_by_name=True)

    percentile: Annotated[float, Field(gt=0, le=100)]
    """Of the source within the foreground."""
    curves: Annotated[tuple[LearnedCurve, ...], Field(min_length=1)]


def read_curves(path: Path) -> LearnedCurves:
    """Raises ConfigurationError for a file that is missing or holds no curves."""
    return read_part(
        path,
        LearnedCurves,
        missing="name a file of intensity curves by --baseline-curve",
        faulty="give Percentile, and Curves of Name, Inputs and Outputs",
    )


@dataclass(frozen=True)
class IntensityMap:
    """One baseline of one series."""

    image: str
    """By which name its figures go."""
    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    steps: bool
    """One more value than edges, each of an interval; otherwise points joined by lines."""

    def __call__(self, source: Image) -> Image:
        if self.steps:
            return self.values[np.searchsorted(self.edges, source, side="right")].astype(np.float32)
        return np.interp(source, self.edges, self.values).astype(np.float32)


def intensity_maps(
    subject: Subject, scale: SeriesScale, learned: LearnedCurves | None
) -> tuple[IntensityMap, ...]:
    """The best curve there is for the series, and those learned elsewhere, each with its best gain."""
    source, reference = _foreground(subject, scale)
    found = [_fitted(source, reference)]
    if learned is not None and source.size:
        top = max(float(np.percentile(source, learned.percentile)), 1e-6)
        for curve in learned.curves:
            inputs, outputs = np.multiply(curve.inputs, top), np.asarray(curve.outputs, np.float64)
            plain = IntensityMap(learned_image(curve), inputs, outputs, steps=False)
            gain = least_squares_gain(plain(source), reference)
            found.append(IntensityMap(plain.image, inputs, gain * outputs, steps=False))
    return tuple(found)


def learned_image(curve: LearnedCurve) -> str:
    """The name of what that curve makes of the source."""
    return f"{CURVE}, {curve.name}"


def _fitted(source: NDArray[np.float32], reference: NDArray[np.float32]) -> IntensityMap:
    """For each of 256 intensities of the source the mean of the reference in this very series: no curve has a
    smaller squared error, so a translation that beats it has seen anatomy.
    """
    edges = np.unique(np.quantile(source, np.linspace(0, 1, LOOKUP_BINS + 1)[1:-1])).astype(np.float64)
    place = np.searchsorted(edges, source, side="right")
    counts = np.bincount(place, minlength=edges.size + 1)
    sums = np.bincount(place, reference, edges.size + 1)
    return IntensityMap(LOOKUP, edges, sums / np.maximum(counts, 1), steps=True)


def _foreground(subject: Subject, scale: SeriesScale) -> Pixels:
    """Source and reference within the main mask of all slices."""
    found = list(_of_slices(subject, scale))
    if not found:
        return np.zeros(1, np.float32), np.zeros(1, np.float32)
    return np.concatenate([pixels[0] for pixels in found]), np.concatenate([pixels[1] for pixels in found])


def _of_slices(subject: Subject, scale: SeriesScale) -> Iterator[Pixels]:
    for triple in subject.triples():
        mask = scale.masks(triple).get(scale.main_mask)
        if mask is not None:
            yield triple.source[mask], triple.reference[mask]
