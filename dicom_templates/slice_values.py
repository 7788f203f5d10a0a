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
    SOFT_TISSUE,
    Window,
    decimal_string,
    mirrored_window,
    percentile_window,
    source_window_is_sound,
)

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
    window: Window | None
    """The caller's choice for images without a usable window of their source."""


def _keeps_source_window(c: SliceContext) -> bool:
    return c.template.kind == "denoise" and source_window_is_sound(c.source)


def _window(c: SliceContext) -> Window:
    if _keeps_source_window(c):
        return mirrored_window(c.source)
    if c.window is not None:
        return c.window
    if c.template.target_modality == "CT":
        return SOFT_TISSUE
    return percentile_window(c.values, c.source.padding())


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
    }
)
