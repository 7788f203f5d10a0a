"""What one series' figures are relative to: windows, masks, and for MR the scale of its signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.regions import (
    air_mask,
    body_mask,
    foreground_level,
    foreground_mask,
    tissue_masks,
)

CT_WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"soft tissue": (-160.0, 240.0), "lung": (-1350.0, 150.0)}
)
"""Level 40, width 400, and level -600, width 1500: HU."""
SIGNAL_WINDOW = "signal"
CUT_OUT = 0.1
"""Share of declared padding from which on it is taken to mark what is to be measured."""
LEAST_PIXELS = 300
"""A mask of fewer pixels is not measured in a slice."""
MASKS: Mapping[str, str] = MappingProxyType(
    {
        "body": "CT: largest connected region of the reference above -350 HU, holes (lungs) filled",
        "lung": "CT: smoothed reference -950 to -700 HU within the body, eroded by 3 pixels",
        "fat": "CT: smoothed reference -130 to -70 HU within the body, eroded by 1 pixel",
        "soft tissue": "CT: smoothed reference 0 to 90 HU within the body, eroded by 3 pixels",
        "bone": "CT: smoothed reference 250 to 1500 HU within the body, eroded by 1 pixel",
        "air": "CT: smoothed reference below -960 HU, 8 pixels clear of the body, without areas of "
        "nothing but the slice's lowest value",
        "foreground": "MR: largest connected region of the reference above half of Otsu's level, filled; all "
        "that is not declared padding where that takes more than a tenth of the series",
    }
)
WINDOWS: Mapping[str, str] = MappingProxyType(
    {
        **{name: f"{low:g} to {high:g} HU" for name, (low, high) in CT_WINDOWS.items()},
        SIGNAL_WINDOW: "0 to the 99.5th percentile of the reference's foreground, of each series",
    }
)


@dataclass(frozen=True)
class SeriesScale:
    """Taken from the whole reference series before anything is measured."""

    in_hu: bool
    windows: Mapping[str, tuple[float, float]]
    foreground_above: float | None = None
    """MR: level of the head's surface; None where the reference marks all around the tissue as padding, and
    what is left is the mask."""
    gain: float = 1.0
    """A translation's result times this lies closest to the reference (least squares on the foreground): MR
    signal has no unit of its own."""

    @property
    def main_mask(self) -> str:
        return "body" if self.in_hu else "foreground"

    @property
    def main_window(self) -> str:
        return "soft tissue" if self.in_hu else SIGNAL_WINDOW

    @property
    def width(self) -> float:
        """Of the main window."""
        low, high = self.windows[self.main_window]
        return high - low

    @property
    def unit(self) -> str:
        return "HU" if self.in_hu else "% of window"

    def in_unit(self, difference: float) -> float:
        """A difference of values as HU, or as percent of the signal window."""
        return difference if self.in_hu else 100.0 * difference / self.width

    def masks(self, triple: Triple) -> dict[str, Mask]:
        """The masks of a slice that are large enough to be measured; the main one first."""
        if self.in_hu:
            body = body_mask(triple.reference)
            found = {"body": body, **tissue_masks(triple.reference, body)}
            found["air"] = air_mask(triple.reference, body)
        else:
            above = self.foreground_above
            found = {
                "foreground": triple.measured if above is None else foreground_mask(triple.reference, above)
            }
        inside = {name: mask & triple.measured for name, mask in found.items()}
        return {name: mask for name, mask in inside.items() if np.count_nonzero(mask) >= LEAST_PIXELS}


def series_scale(subject: Subject) -> SeriesScale:
    """One pass over the reference (and, for a translation, the result) of a series."""
    if subject.quantity == "hounsfield_units":
        return SeriesScale(True, CT_WINDOWS)
    thinned = [_thinned(triple) for triple in subject.triples() if triple.measured.any()]
    reference = np.concatenate([pixels[0] for pixels in thinned])
    result = np.concatenate([pixels[1] for pixels in thinned])
    level = None if _is_cut_out(subject) else foreground_level(reference)
    inside = np.ones(reference.shape, np.bool_) if level is None else reference > level
    upper = float(np.percentile(reference[inside], 99.5)) if inside.any() else 1.0
    gain = 1.0 if subject.keeps_values else least_squares_gain(result[inside], reference[inside])
    window = {SIGNAL_WINDOW: (0.0, max(upper, 1e-6))}
    return SeriesScale(False, window, foreground_above=level, gain=gain)


def _is_cut_out(subject: Subject) -> bool:
    """Whether padding, as the headers declare it, takes a large part of the series: a brain, say, without
    its skull.
    """
    unmeasured = [1.0 - float(triple.measured.mean()) for triple in subject.triples()]
    return bool(np.mean(unmeasured) > CUT_OUT)


def _thinned(triple: Triple) -> tuple[Image, Image]:
    """Every other pixel of every other row: enough for levels and percentiles."""
    measured = triple.measured[::2, ::2]
    return triple.reference[::2, ::2][measured], triple.result[::2, ::2][measured]


def least_squares_gain(result: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """What the result is multiplied with to lie closest to the reference; never negative."""
    a, b = result.astype(np.float64), reference.astype(np.float64)
    power = float(a @ a)
    return max(float(a @ b) / power, 0.0) if power > 0 else 1.0
