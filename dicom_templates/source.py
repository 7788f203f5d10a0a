"""A source instance as Orthanc hands it over: header bytes untouched, samples decoded.

Every transfer syntax that can hold CT or MR losslessly is read (native ones in place, JPEG lossless,
JPEG-LS, JPEG 2000 and RLE by pydicom's decoders), and the lossy ones with their history kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    JPEG2000,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from dicom_templates import tags
from dicom_templates.part10 import Part10, scan
from dicom_templates.raw_values import Elements, decimal, raw_bytes, short, text
from dicom_templates.stored_values import Stored, StoredValueEncoding
from pipelines.errors import Refused

# GDCM ends the process on some damaged streams, so it decodes only what no other library here can.
_DECODERS: Mapping[str, str] = MappingProxyType(
    {
        RLELossless: "pydicom",
        JPEGLSLossless: "pyjpegls",
        JPEGLSNearLossless: "pyjpegls",
        JPEG2000Lossless: "pylibjpeg",
        JPEG2000: "pylibjpeg",
    }
)
_UNDECODABLE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the decoders raise on damaged streams."""


@dataclass(frozen=True)
class SourceSlice:
    """One single-frame source instance, or one frame that reads like one."""

    header: Dataset
    """Everything but the pixel data, for reading by keyword."""
    stored_values: Stored
    """(rows, columns), as stored."""
    elements: Elements
    """The same elements by tag, values still bytes: what copies are made from."""
    transfer_syntax_uid: str = ImplicitVRLittleEndian
    encapsulated_bytes: int = 0
    """Length of the compressed Pixel Data; 0 when it was native."""
    file: bytes = b""
    """The whole Part 10 file it was read from (native samples are a view of it)."""
    frame_number: int | None = None
    """Which frame of a multi-frame instance it is, from 1; None for a single-frame one."""

    @cached_property
    def encoding(self) -> StoredValueEncoding:
        """How the stored values are to be read."""
        return stored_value_encoding(self.elements)

    @property
    def sop_instance_uid(self) -> str:
        return text(self.elements, tags.SOP_INSTANCE_UID) or ""

    @property
    def is_inverted_signal(self) -> bool:
        """MONOCHROME1 where low values mean much signal; Hounsfield units never depend on the display."""
        monochrome1 = text(self.elements, tags.PHOTOMETRIC_INTERPRETATION) == "MONOCHROME1"
        return monochrome1 and text(self.elements, tags.MODALITY) != "CT"

    def values(self) -> NDArray[np.float32]:
        """(rows, columns): Hounsfield units for CT, signal for MR; rescale applied.

        An MR slice stored as MONOCHROME1 is mirrored within its stored range, so that more is always
        more signal. Padded samples are rescaled like all others: `padding()` says which they are.
        """
        values = self.encoding.values(self.stored_values)
        return mirrored(values, self.encoding) if self.is_inverted_signal else values

    def padding(self) -> NDArray[np.bool_] | None:
        """(rows, columns), True where the scanner wrote no measurement (PS3.3 C.7.5.1.1.2)."""
        return self.encoding.padding(self.stored_values)


def mirrored(values: NDArray[np.float32], encoding: StoredValueEncoding) -> NDArray[np.float32]:
    """Values reflected within the range the encoding can hold; its own inverse."""
    return np.float32(mirror_sum(encoding)) - values


def mirror_sum(encoding: StoredValueEncoding) -> float:
    """A value and its mirror image add up to this."""
    return (encoding.lowest + encoding.highest) * encoding.slope + 2 * encoding.intercept


def read_header(data: bytes) -> Dataset:
    """The elements before the pixels, values still raw; `data` may end anywhere in the pixels.

    Raises Refused (`not-dicom`).
    """
    return scan(data).header


def read_slice(data: bytes) -> SourceSlice:
    """One single-frame monochrome instance of 16 bits allocated, from a Part 10 file.

    Raises Refused: `not-dicom`, `colour`, `multi-frame`, `bits`, `no-pixel-data`,
    `pixel-data-length`, `cannot-decode`.
    """
    instance = scan(data)
    if (decimal(instance.elements, tags.NUMBER_OF_FRAMES) or 1) > 1:
        raise Refused("multi-frame", "a single-frame instance holds more than one frame")
    check_pixel_description(instance)
    if instance.pixels is not None:
        stored = _native_samples(instance)
    else:
        stored = decoded_samples(data, instance.transfer_syntax_uid)
    return SourceSlice(
        header=instance.header,
        stored_values=without_spare_bits(stored, instance.elements),
        elements=instance.elements,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        encapsulated_bytes=instance.encapsulated_bytes,
        file=data,
    )


def stored_value_encoding(elements: Elements) -> StoredValueEncoding:
    """The encoding a header declares; rescale defaults to identity (PS3.3 C.11.1)."""
    signed = short(elements, tags.PIXEL_REPRESENTATION) == 1
    slope, intercept = decimal(elements, tags.RESCALE_SLOPE), decimal(elements, tags.RESCALE_INTERCEPT)
    return StoredValueEncoding(
        bits_stored=short(elements, tags.BITS_STORED) or 16,
        signed=signed,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        padding_range=_padding_range(elements, signed),
    )


def _padding_range(elements: Elements, signed: bool) -> tuple[int, int] | None:
    value = short(elements, tags.PIXEL_PADDING_VALUE, signed=signed)
    if value is None:
        return None
    limit = short(elements, tags.PIXEL_PADDING_RANGE_LIMIT, signed=signed)
    return (value, value) if limit is None else (min(value, limit), max(value, limit))


def check_pixel_description(instance: Part10) -> None:
    """Raises Refused (`colour`, `no-pixel-data`, `bits`) for samples that are not what CT and MR have."""
    elements = instance.elements
    photometric = text(elements, tags.PHOTOMETRIC_INTERPRETATION)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or short(elements, tags.SAMPLES_PER_PIXEL) != 1:
        raise Refused("colour", f"Photometric Interpretation {photometric} is not one grey sample per pixel")
    if not instance.has_pixel_data:
        raise Refused("no-pixel-data", "the instance has no Pixel Data (7FE0,0010)")
    stored, high = short(elements, tags.BITS_STORED), short(elements, tags.HIGH_BIT)
    if short(elements, tags.BITS_ALLOCATED) != 16 or stored is None or not 1 < stored <= 16:
        raise Refused("bits", f"{stored} bits stored: CT and MR are 16 bits allocated, up to 16 stored")
    if high != stored - 1:
        raise Refused("bits", f"High Bit {high} with {stored} bits stored; it is {stored - 1} (PS3.5 8.1.1)")


def _native_samples(instance: Part10) -> Stored:
    rows, columns = short(instance.elements, tags.ROWS) or 0, short(instance.elements, tags.COLUMNS) or 0
    pixels = instance.pixels
    expected = rows * columns * 2
    if pixels is None or expected == 0 or len(pixels) < expected:
        found = 0 if pixels is None else len(pixels)
        raise Refused("pixel-data-length", f"{found} bytes of pixels; {rows} x {columns} need {expected}")
    signed = short(instance.elements, tags.PIXEL_REPRESENTATION) == 1
    dtype = np.dtype("<i2") if signed else np.dtype("<u2")
    return np.frombuffer(pixels, dtype=dtype, count=rows * columns).reshape(rows, columns)


def decoded_samples(data: bytes | Dataset, transfer_syntax_uid: str, frame: int | None = None) -> Stored:
    """The samples of an instance, or of one of its frames (from 0). Raises Refused (`cannot-decode`)."""
    plugin = _DECODERS.get(transfer_syntax_uid, "")
    try:
        dataset = data if isinstance(data, Dataset) else dcmread(BytesIO(data))
        stored = pixel_array(dataset, raw=True, decoding_plugin=plugin, index=frame)
    except _UNDECODABLE as problem:
        raise Refused(
            "cannot-decode",
            f"the compressed pixels cannot be decoded ({type(problem).__name__})",
            remedy="let Orthanc transcode the series, or have it sent again",
        ) from problem
    return stored.astype(np.dtype("<i2") if stored.dtype.kind == "i" else np.dtype("<u2"), copy=False)


def without_spare_bits(stored: Stored, elements: Elements) -> Stored:
    """Only the lower Bits Stored of a word are sample (PS3.5 8.1.1): old overlays lived in the others.

    A padding value that itself lies outside says that the writer used whole words; nothing is cut then.
    """
    encoding = stored_value_encoding(elements)
    spare = 16 - encoding.bits_stored
    low, high = encoding.padding_range or (encoding.lowest, encoding.highest)
    if spare == 0 or low < encoding.lowest or high > encoding.highest:
        return stored
    if stored.min() >= encoding.lowest and stored.max() <= encoding.highest:
        return stored
    return (stored << spare) >> spare


def required_uid(elements: Elements, tag: int, name: str) -> str:
    """A UID that must have a value. Raises Refused (`missing-uid`)."""
    value = raw_bytes(elements, tag)
    if value is None:
        raise Refused("missing-uid", f"{name} has no value", remedy="have the sender repair the instance")
    return value.decode("ascii", "replace")
