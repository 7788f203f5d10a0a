"""The vocabulary of values that differ between the instances of a result series.

Each function returns the little-endian value field, or None where the attribute stays absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from dicom_templates import tags
from dicom_templates.pixel_module import result_photometric
from dicom_templates.raw_values import raw_bytes, text
from dicom_templates.source import SourceSlice
from dicom_templates.stored_values import StoredValueEncoding
from dicom_templates.template import Template
from dicom_templates.windows import (
    Window,
    decimal_string,
    decimal_strings,
    mirrored_window,
    percentile_window,
    source_window_is_sound,
)
from pipelines.volume import SliceGrid

_LOSSY_METHODS: Mapping[str, bytes] = MappingProxyType(
    {
        JPEGBaseline8Bit: b"ISO_10918_1",
        JPEGExtended12Bit: b"ISO_10918_1",
        JPEGLSNearLossless: b"ISO_14495_1",
        JPEG2000: b"ISO_15444_1",
    }
)
"""Transfer syntaxes that lose information, and the term for their method (PS3.3 C.7.6.1.1.5.1)."""


@dataclass(frozen=True)
class SliceContext:
    """What the values of one result instance are made from."""

    template: Template
    source: SourceSlice
    values: NDArray[np.float32]
    encoding: StoredValueEncoding
    sop_instance_uid: str
    source_images: bytes
    referenced_series: bytes
    index: int
    """Place in the result's stack."""
    grid: SliceGrid | None
    """The result's own grid; None on the source's."""
    window: Window | None
    """The caller's choice for images without a usable window of their source."""
    source_evidence: bytes = b""
    shared_groups: bytes = b""
    frame_groups: bytes = b""
    """Only of an Enhanced result: the items of these sequences."""


def _keeps_source_window(c: SliceContext) -> bool:
    return c.template.kind in ("denoise", "resample") and source_window_is_sound(c.source)


def _window(c: SliceContext) -> Window:
    if _keeps_source_window(c):
        return mirrored_window(c.source)
    if c.window is not None:
        return c.window
    if c.template.default_window is not None:
        return Window(*c.template.default_window)
    padded = c.source.padding()
    return percentile_window(c.values, padded if c.grid is None else None)


def _from_source_window(c: SliceContext, tag: int) -> bytes | None:
    """The source's own bytes of a window attribute, where its window holds for the result as it is."""
    if not _keeps_source_window(c) or c.source.is_inverted_signal:
        return None
    return raw_bytes(c.source.elements, tag)


def window_center(c: SliceContext) -> bytes:
    return _from_source_window(c, tags.WINDOW_CENTER) or decimal_string(_window(c).center)


def window_width(c: SliceContext) -> bytes:
    return _from_source_window(c, tags.WINDOW_WIDTH) or decimal_string(_window(c).width)


def lossy_image_compression(c: SliceContext) -> bytes:
    return b"01" if _was_lossy(c) else b"00"


def lossy_image_compression_ratio(c: SliceContext) -> bytes | None:
    if not _was_lossy(c):
        return None
    declared = raw_bytes(c.source.elements, tags.LOSSY_IMAGE_COMPRESSION_RATIO)
    ratio = c.source.stored_values.nbytes / max(c.source.encapsulated_bytes, 1)
    return declared or decimal_string(ratio)


def lossy_image_compression_method(c: SliceContext) -> bytes | None:
    if not _was_lossy(c):
        return None
    declared = raw_bytes(c.source.elements, tags.LOSSY_IMAGE_COMPRESSION_METHOD)
    return declared or _LOSSY_METHODS.get(c.source.transfer_syntax_uid)


def _was_lossy(c: SliceContext) -> bool:
    declared = text(c.source.elements, tags.LOSSY_IMAGE_COMPRESSION)
    if declared == "00" and c.source.transfer_syntax_uid == JPEG2000:
        return False  # that syntax carries lossless streams as well
    return declared == "01" or c.source.transfer_syntax_uid in _LOSSY_METHODS


def _unsigned(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _padding(c: SliceContext, end: int) -> bytes | None:
    ends = c.encoding.padding_range
    if ends is None or (end == 1 and ends[0] == ends[1]):
        return None
    return ends[end].to_bytes(2, "little", signed=c.encoding.signed)


def _grid_value(of: Callable[[SliceGrid, int], bytes]) -> Callable[[SliceContext], bytes | None]:
    """A value computed from the result's own grid; absent without one."""
    return lambda c: None if c.grid is None else of(c.grid, c.index)


def _position(grid: SliceGrid, index: int) -> bytes:
    return decimal_strings(grid.positions_lps_mm[index])


def _location(grid: SliceGrid, index: int) -> bytes:
    return decimal_string(float(np.dot(grid.positions_lps_mm[index], grid.normal_lps)))


def _thickness(grid: SliceGrid, index: int) -> bytes:
    thickness = grid.slice_thickness_mm
    return b"" if thickness is None else decimal_string(thickness)


def _spacing(grid: SliceGrid, index: int) -> bytes:
    spacing = grid.slice_spacing_mm
    return b"" if spacing is None else decimal_string(spacing)


_GRID_VALUES: Mapping[str, Callable[[SliceContext], bytes | None]] = MappingProxyType(
    {
        "grid_position": _grid_value(_position),
        "grid_orientation": _grid_value(
            lambda grid, _: decimal_strings((*grid.row_direction_lps, *grid.column_direction_lps))
        ),
        "grid_pixel_spacing": _grid_value(lambda grid, _: decimal_strings(grid.pixel_spacing_mm)),
        "grid_slice_thickness": _grid_value(_thickness),
        "grid_spacing": _grid_value(_spacing),
        "grid_location": _grid_value(_location),
        "grid_rows": _grid_value(lambda grid, _: _unsigned(grid.rows)),
        "grid_columns": _grid_value(lambda grid, _: _unsigned(grid.columns)),
        "grid_number": _grid_value(lambda grid, index: str(index + 1).encode("ascii")),
    }
)

SLICE_VALUES: Mapping[str, Callable[[SliceContext], bytes | None]] = MappingProxyType(
    {
        "sop_instance_uid": lambda c: c.sop_instance_uid.encode("ascii"),
        "source_images": lambda c: c.source_images,
        "referenced_series": lambda c: c.referenced_series,
        "photometric_interpretation": lambda c: result_photometric(c.template, c.source).encode("ascii"),
        "bits_stored": lambda c: _unsigned(c.encoding.bits_stored),
        "high_bit": lambda c: _unsigned(c.encoding.bits_stored - 1),
        "pixel_representation": lambda c: _unsigned(int(c.encoding.signed)),
        "pixel_padding_value": lambda c: _padding(c, 0),
        "pixel_padding_range_limit": lambda c: _padding(c, 1),
        "window_center": window_center,
        "window_width": window_width,
        "window_explanation": lambda c: _from_source_window(c, tags.WINDOW_CENTER_WIDTH_EXPLANATION),
        "voi_lut_function": lambda c: _from_source_window(c, tags.VOI_LUT_FUNCTION),
        "lossy_image_compression": lossy_image_compression,
        "lossy_image_compression_ratio": lossy_image_compression_ratio,
        "lossy_image_compression_method": lossy_image_compression_method,
        "source_evidence": lambda c: c.source_evidence,
        "shared_functional_groups": lambda c: c.shared_groups,
        "frame_functional_groups": lambda c: c.frame_groups,
        **_GRID_VALUES,
    }
)
