"""How result values are stored: the encoding of each kind of result, and the samples in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dicom_templates import tags
from dicom_templates.raw_values import text
from dicom_templates.source import SourceSlice, mirror_sum
from dicom_templates.stored_values import Stored, StoredValueEncoding
from dicom_templates.template import Template
from pipelines.errors import Refused

SYNTHETIC_CT = StoredValueEncoding(bits_stored=12, signed=False, slope=1.0, intercept=-1024.0)
"""-1024 to 3071 HU, what radiotherapy planning assumes."""
SYNTHETIC_SIGNAL = StoredValueEncoding(bits_stored=16, signed=False)
SIGNED_DIFFERENCE = StoredValueEncoding(bits_stored=16, signed=True)
HOUNSFIELD_DEVIATION = StoredValueEncoding(bits_stored=16, signed=False, slope=0.1)
"""0 to 6553.5 HU in steps of a tenth."""

_FIXED: Mapping[str, StoredValueEncoding] = MappingProxyType(
    {
        "hounsfield_units": SYNTHETIC_CT,
        "synthetic_signal": SYNTHETIC_SIGNAL,
        "signed_difference": SIGNED_DIFFERENCE,
        "hounsfield_deviation": HOUNSFIELD_DEVIATION,
    }
)

_AIR_HOUNSFIELD_UNITS = -1000.0
_FEWEST_GREY_LEVELS = 255


def result_encoding(template: Template, source: SourceSlice) -> StoredValueEncoding:
    """The encoding of a result slice. Raises Refused (`signal-too-fine`)."""
    if template.stored_values == "as_source":
        return source.encoding
    return _FIXED.get(template.stored_values) or _signal_encoding(source)


def result_photometric(template: Template, source: SourceSlice) -> str:
    """MONOCHROME2, except where stored values keep the source's meaning."""
    kept = text(source.elements, tags.PHOTOMETRIC_INTERPRETATION)
    return kept if template.stored_values == "as_source" and kept else "MONOCHROME2"


def stored_result(
    template: Template, encoding: StoredValueEncoding, source: SourceSlice, values: NDArray[np.float32]
) -> tuple[Stored, int]:
    """Result values on the source's grid as stored samples, padded where the source is, and how many had
    to be clipped.
    """
    padded = source.padding()
    if padded is None:
        return encoding.quantise(values)
    measured = np.where(padded, np.float32(_padded_value(template, encoding)), values)
    stored, clipped = encoding.quantise(measured)
    if encoding.padding_range is not None:
        stored[padded] = (
            source.stored_values[padded] if encoding == source.encoding else encoding.padding_range[0]
        )
        encoding.keep_clear_of_padding(stored, padded)
    return stored, clipped


def _padded_value(template: Template, encoding: StoredValueEncoding) -> float:
    """What stands where nothing was measured before padding is written back: never counts as clipped."""
    if template.stored_values == "hounsfield_units":
        return _AIR_HOUNSFIELD_UNITS
    if template.stored_values == "signed_difference":
        return 0.0
    return encoding.lowest * encoding.slope + encoding.intercept


def _signal_encoding(source: SourceSlice) -> StoredValueEncoding:
    """The stored sample is the signal: the source's own encoding where that is true already, else 16 bits."""
    encoding = source.encoding
    if encoding.slope == 1.0 and encoding.intercept == 0.0 and not source.is_inverted_signal:
        return encoding
    ends = sorted(end * encoding.slope + encoding.intercept for end in (encoding.lowest, encoding.highest))
    if ends[1] - ends[0] < _FEWEST_GREY_LEVELS:
        raise Refused(
            "signal-too-fine",
            f"Rescale Slope {encoding.slope:g} leaves under {_FEWEST_GREY_LEVELS} whole signal values",
            remedy="have the scanner export signal with a coarser rescale",
        )
    signed = ends[0] < 0
    wide = StoredValueEncoding(bits_stored=16, signed=signed)
    if encoding.padding_range is None:
        return wide
    return replace(wide, padding_range=_padding_as_signal(source, wide))


def _padding_as_signal(source: SourceSlice, wide: StoredValueEncoding) -> tuple[int, int]:
    """One stored value for padding: that of the source's padding value as signal, brought into range."""
    encoding = source.encoding
    low = (encoding.padding_range or (0, 0))[0]
    signal = low * encoding.slope + encoding.intercept
    if source.is_inverted_signal:
        signal = mirror_sum(encoding) - signal
    value = int(min(max(round(signal), wide.lowest), wide.highest))
    return value, value
