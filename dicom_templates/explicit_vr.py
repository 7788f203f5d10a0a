"""Data elements as bytes in Explicit VR Little Endian (PS3.5 section 7.1.2, Annex A.2).

A copied attribute is the source's own value bytes behind a new header: a name in any character
set, a padded decimal or an odd date leaves as it came. Only what cannot be re-headed (sequences in
another encoding, big-endian numbers) is decoded and encoded anew by pydicom.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset
from pydicom.valuerep import STANDARD_VR

from dicom_templates.header_values import UNDECODABLE
from pipelines.errors import Refused

RawElement = RawDataElement | DataElement
Charset = list[str] | None
"""The terms of Specific Character Set."""

_LONG_HEADER_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_ZERO_PADDED_VRS = frozenset(("OB", "UI", "UN"))
_NUMERIC_VRS = frozenset(
    ("AT", "FD", "FL", "OD", "OF", "OL", "OV", "OW", "SL", "SQ", "SS", "SV", "UL", "UN", "US", "UV")
)
"""Those whose value bytes depend on the byte order."""
_KNOWN_VRS = frozenset(STANDARD_VR) - {"UN"}
_LARGEST_SHORT_VALUE = 0xFFFE


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One data element; `value` is the little-endian value field, padded here to even length."""
    if len(value) % 2:
        value += b"\0" if vr in _ZERO_PADDED_VRS else b" "
    group, number = tag >> 16, tag & 0xFFFF
    if vr in _LONG_HEADER_VRS:
        return struct.pack("<HH2sHI", group, number, vr.encode("ascii"), 0, len(value)) + value
    if len(value) > _LARGEST_SHORT_VALUE:
        # PS3.5 section 6.2.2: a value too long for its VR's 16-bit length goes out as UN.
        return struct.pack("<HH2sHI", group, number, b"UN", 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr.encode("ascii"), len(value)) + value


def item(elements: Iterable[bytes]) -> bytes:
    """One sequence item of defined length (PS3.5 section 7.5)."""
    content = b"".join(elements)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """A sequence of defined length from encoded items."""
    return element(tag, "SQ", b"".join(items))


def code_item(value: str, scheme: str, meaning: str) -> bytes:
    """A code sequence item: the basic code triplet (PS3.3 section 8.1)."""
    return item(
        (
            element(0x00080100, "SH", value.encode("ascii")),
            element(0x00080102, "SH", scheme.encode("ascii")),
            element(0x00080104, "LO", meaning.encode("ascii")),
        )
    )


def encoded_dataset(dataset: Dataset, charset: Charset = None) -> bytes:
    """All elements of a pydicom dataset in Explicit VR Little Endian, without preamble and file meta.

    `charset` is the Specific Character Set of the data set around it, for sequence items.
    """
    buffer = _explicit_little_endian_buffer()
    write_dataset(buffer, dataset, charset or default_encoding)
    return buffer.getvalue()


def vr_of(tag: int, written_vr: str | None, *, signed: bool) -> str:
    """The VR under which a copied element goes out.

    Implicit sources carry none and UN hides a known one: both take the dictionary's. "US or SS" follows
    Pixel Representation (PS3.5 Annex A.1), also where a source contradicts itself.
    """
    vr = written_vr if written_vr in _KNOWN_VRS else None
    known = dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"
    if known == "US or SS":
        return "SS" if signed else "US"
    return vr or ("OW" if " or " in known else known)


def copied_element(raw: RawElement, *, signed: bool, charset: Charset) -> bytes:
    """A source element re-headed; its value bytes are untouched wherever Explicit VR LE allows it.

    Raises Refused (`unreadable-element`) when the value cannot be decoded for re-encoding.
    """
    if isinstance(raw, RawDataElement):
        vr = vr_of(raw.tag, raw.VR, signed=signed)
        if _is_portable(raw, vr):
            return element(raw.tag, vr, raw.value or b"")
    try:
        return _encoded_by_pydicom(_decoded(raw, charset), charset)
    except UNDECODABLE as problem:
        raise Refused(
            "unreadable-element",
            f"element {raw.tag} cannot be decoded ({type(problem).__name__})",
            remedy="have the sender repair the instance",
        ) from problem


def _is_portable(raw: RawDataElement, vr: str) -> bool:
    if vr == "SQ":
        return raw.VR == "SQ" and not raw.is_implicit_VR and raw.is_little_endian
    return raw.is_little_endian or vr not in _NUMERIC_VRS


def _decoded(raw: RawElement, charset: Charset) -> DataElement:
    if isinstance(raw, DataElement):
        return raw
    encodings = convert_encodings(charset) if charset else default_encoding
    return convert_raw_data_element(raw, encoding=encodings)


def _encoded_by_pydicom(decoded: DataElement, charset: Charset) -> bytes:
    if decoded.VR == "SQ":
        return sequence(decoded.tag, (item((encoded_dataset(each, charset),)) for each in decoded.value))
    buffer = _explicit_little_endian_buffer()
    write_data_element(buffer, decoded, charset)
    return buffer.getvalue()


def _explicit_little_endian_buffer() -> DicomBytesIO:
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    return buffer
