"""What is evaluated: one series beside the pipeline's result and its reference, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.volume import Quantity, SliceGrid

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Triple:
    """One slice; all arrays (rows, columns), in the quantity of the result."""

    index: int
    source: Image
    result: Image
    reference: Image
    measured: Mask
    """False where source or reference say that the scanner wrote no measurement."""
    spread: Image | None = None
    """One standard deviation of the result, where the pipeline states one."""


@dataclass(frozen=True)
class Subject:
    """One series of one patient. `triples` may be called again and again; it holds no slice itself."""

    patient: str
    """A digest: nothing that names anybody."""
    series: int
    """From 1, in the order of evaluation."""
    grid: SliceGrid
    quantity: Quantity
    """Of result and reference."""
    keeps_values: bool
    """False for a translation, whose result is another quantity or contrast than its source."""
    group: str
    """Whose figures are also given apart from the others'; empty for none."""
    triples: Callable[[], Iterator[Triple]]

    @property
    def spacing_mm(self) -> float:
        """Mean of both pixel spacings."""
        return (self.grid.pixel_spacing_mm[0] + self.grid.pixel_spacing_mm[1]) / 2
