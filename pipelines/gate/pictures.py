"""The slices that show a figure best, kept so that a person can see what the gate saw."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import SliceResult

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One slice beside a map of what was measured on it."""

    figure: str
    """The figure that is worst here, by its name in the verdict."""
    value: float
    index: int
    """Of the slice, from 0."""
    source: Values
    result: Values
    map: Values | None
    """(rows, columns) of its own, coarser than the slice; 0 is inconspicuous. None where there is no map."""
    place: tuple[int, int] | None = None
    """Row and column of the worst spot, in pixels of the slice."""


@dataclass
class Gallery:
    """One picture a figure: that of the slice where it is worst."""

    _worst: dict[str, Picture] = field(default_factory=dict)

    def is_worst(self, figure: str, badness: float) -> bool:
        """Whether a slice so bad would be shown."""
        known = self._worst.get(figure)
        return known is None or badness > known.value

    def show(
        self,
        figure: str,
        badness: float,
        result: SliceResult,
        chart: Values | None = None,
        place: tuple[int, int] | None = None,
    ) -> None:
        if self.is_worst(figure, badness):
            slices = result.source.values, result.values
            self._worst[figure] = Picture(figure, badness, result.index, *slices, chart, place)

    def slice_of(self, figure: str) -> int | None:
        """The slice where that figure is worst."""
        return self._worst[figure].index if figure in self._worst else None

    def place_of(self, figure: str) -> tuple[int, int] | None:
        return self._worst[figure].place if figure in self._worst else None

    def pictures(self) -> tuple[Picture, ...]:
        return tuple(self._worst.values())
