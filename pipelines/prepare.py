"""Source values made ready for a network, and the network's answer carried back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.manifest import Manifest, Step
from pipelines.placed import Inverse, Placed, Values
from pipelines.spatial_steps import Crop, Orient, Resample
from pipelines.steps import Clip, Normalise, Scale, keep

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Prepared:
    """What the network sees, and how to come back from there."""

    network: Values
    """(rows, columns) or (slices, rows, columns), each a multiple of the model's size multiple."""
    inverses: tuple[Inverse, ...]
    """In the order they are to be applied."""

    def back(self, output: Values) -> Values:
        """`output`, of the shape of `network`, on the source's grid and in the result's quantity."""
        for inverse in self.inverses:
            output = inverse(output)
        return np.ascontiguousarray(output)


@dataclass(frozen=True)
class Preparation:
    """Padding made neutral, the manifest's steps, then the pad to a size the network takes."""

    steps: tuple[Step, ...]
    size_multiple: int = 1
    postprocessing: tuple[Clip | Scale, ...] | None = None
    """Applied to the network's output in place of the inverses of the intensity steps."""

    @classmethod
    def of(cls, manifest: Manifest) -> Preparation:
        return cls(manifest.preprocessing, manifest.model.size_multiple, manifest.postprocessing)

    @property
    def needs_series(self) -> bool:
        """Whether `for_series` must be called with all values first."""
        return any(isinstance(step, Normalise) for step in self.steps)

    def for_series(self, parts: Iterable[tuple[Values, Mask | None]]) -> Preparation:
        """The same with every series-wide step fixed for these values and their padding."""
        measured = [values[~padding] if padding is not None else values.ravel() for values, padding in parts]
        series = np.concatenate(measured)
        fixed = (step.fixed(series) if isinstance(step, Normalise) else step for step in self.steps)
        return replace(self, steps=tuple(fixed))

    def prepare(self, source: Placed, padding: Mask | None = None) -> Prepared:
        """Run the steps on a slice or volume; `source` is only read."""
        placed, restore_padding = _neutral_padding(source, padding, self.steps)
        inverses = [*restore_padding]
        for step in self.steps:
            if isinstance(step, Normalise):
                raise TypeError("for_series must fix the normalise step first")
            placed, inverse = step.forward(placed)
            if self.postprocessing is None or isinstance(step, Crop | Orient | Resample):
                inverses.append(inverse)
        inverses.extend(_applied(step) for step in reversed(self.postprocessing or ()))
        network, crop = pad_to_multiple(placed.values, self.size_multiple)
        return Prepared(network, (crop, *reversed(inverses)))


def pad_to_multiple(values: Values, multiple: int) -> tuple[Values, Inverse]:
    """`values` grown at the far ends of its axes, by repeating the last value, to multiples."""
    more = [(0, -length % multiple) for length in values.shape]
    if not any(after for _, after in more):
        return values, lambda result: result
    whole = tuple(slice(length) for length in values.shape)
    return np.pad(values, more, mode="edge"), lambda result: result[whole]


def _neutral_padding(
    source: Placed, padding: Mask | None, steps: tuple[Step, ...]
) -> tuple[Placed, tuple[Inverse, ...]]:
    if padding is None or not padding.any():
        return source, ()
    neutral = next((step.lower for step in steps if isinstance(step, Clip)), 0.0)
    values = np.where(padding, np.float32(neutral), source.values)
    return source.with_values(values), (lambda result: keep(result, source.values, padding),)


def _applied(step: Clip | Scale) -> Inverse:
    """Postprocessing runs its steps forwards, on values whose axes no longer matter."""
    return lambda result: step.forward(Placed(result, (), ()))[0].values
