"""How sample values are stored, and the way between stored values and physical ones.

values = stored * slope + intercept (PS3.3 section C.11.1.1.2); the stored range follows Bits Stored
and Pixel Representation (PS3.5 section 8.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import OrthogenError

Stored = NDArray[np.integer[Any]]
"""int16 or uint16, little-endian."""


class ResultNotFinite(OrthogenError):
    """A pipeline handed over a result with NaN or infinity in it."""


@dataclass(frozen=True)
class StoredValueEncoding:
    """16 bits allocated, the lower `bits_stored` used, and a linear rescale."""

    bits_stored: int
    signed: bool
    slope: float = 1.0
    intercept: float = 0.0
    padding_range: tuple[int, int] | None = None
    """Lowest and highest stored value that mean "no measurement"; equal without a range limit."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("<i2") if self.signed else np.dtype("<u2")

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits_stored - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        return (1 << (self.bits_stored - int(self.signed))) - 1

    def values(self, stored: Stored) -> NDArray[np.float32]:
        """Physical values of stored ones, any shape."""
        values = stored.astype(np.float32)
        if self.slope != 1.0:
            values *= np.float32(self.slope)
        if self.intercept != 0.0:
            values += np.float32(self.intercept)
        return values

    def quantise(self, values: NDArray[np.float32]) -> tuple[Stored, int]:
        """The nearest stored values, clipped to the stored range, and how many were clipped.

        Raises ResultNotFinite.
        """
        steps = np.subtract(values, np.float32(self.intercept), dtype=np.float32)
        if self.slope != 1.0:
            steps /= np.float32(self.slope)
        np.rint(steps, out=steps)
        low, high = float(steps.min()), float(steps.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ResultNotFinite(
                "the result holds values that are not finite numbers", remedy="reject the model"
            )
        clipped = 0
        if low < self.lowest or high > self.highest:
            clipped = int(np.count_nonzero((steps < self.lowest) | (steps > self.highest)))
            np.clip(steps, self.lowest, self.highest, out=steps)
        return steps.astype(self.dtype), clipped

    def padding(self, stored: Stored) -> NDArray[np.bool_] | None:
        """True where a stored value means "no measurement"; None when no padding value is declared."""
        if self.padding_range is None:
            return None
        low, high = self.padding_range
        return stored == low if low == high else (stored >= low) & (stored <= high)

    def keep_clear_of_padding(self, stored: Stored, padded: NDArray[np.bool_]) -> None:
        """Move measured values off the padding values, in place, to the nearest value that means a
        measurement: the padded area of a result is exactly that of its source.
        """
        if self.padding_range is None:
            return
        low, high = self.padding_range
        inside = (stored >= low) & (stored <= high) & ~padded
        if inside.any():
            stored[inside] = high + 1 if high < self.highest else low - 1
