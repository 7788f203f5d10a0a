"""The window a result is first shown with (PS3.3 C.11.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_templates import tags
from dicom_templates.raw_values import decimals, text
from dicom_templates.source import SourceSlice, mirror_sum

_SMALLEST_LINEAR_WIDTH = 1.0
_EVERY_NTH_SAMPLE = 4


@dataclass(frozen=True)
class Window:
    """Centre and width in the units of the result."""

    center: float
    width: float


def source_window_is_sound(source: SourceSlice) -> bool:
    """True when every centre has a width that the VOI LUT Function allows."""
    centers = decimals(source.elements, tags.WINDOW_CENTER)
    widths = decimals(source.elements, tags.WINDOW_WIDTH)
    if not centers or not widths or len(centers) != len(widths):
        return False
    if text(source.elements, tags.VOI_LUT_FUNCTION) in ("LINEAR_EXACT", "SIGMOID"):
        return min(widths) > 0
    return min(widths) >= _SMALLEST_LINEAR_WIDTH


def mirrored_window(source: SourceSlice) -> Window:
    """The source's first window for a signal that is stored mirrored."""
    center = (decimals(source.elements, tags.WINDOW_CENTER) or (0.0,))[0]
    width = (decimals(source.elements, tags.WINDOW_WIDTH) or (1.0,))[0]
    return Window(mirror_sum(source.encoding) - center, width)


def percentile_window(values: NDArray[np.float32], padded: NDArray[np.bool_] | None) -> Window:
    """From the 1st to the 99th percentile of every 16th sample; padded ones do not count."""
    sample = values[::_EVERY_NTH_SAMPLE, ::_EVERY_NTH_SAMPLE]
    if padded is not None:
        sample = sample[~padded[::_EVERY_NTH_SAMPLE, ::_EVERY_NTH_SAMPLE]]
    if sample.size == 0:
        return Window(0.5, 1.0)
    low, high = np.percentile(sample, (1, 99))
    return Window(float(low + high) / 2, max(float(high - low), _SMALLEST_LINEAR_WIDTH))


def decimal_string(value: float) -> bytes:
    """A decimal string of at most 16 characters (PS3.5 section 6.2)."""
    return f"{value:.9g}".encode("ascii")


def decimal_strings(values: Sequence[float]) -> bytes:
    """Several decimal strings, joined by backslashes."""
    return b"\\".join(map(decimal_string, values))
