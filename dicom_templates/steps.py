"""The engine: how an attribute of a template becomes the bytes of an element.

What a series has in common is encoded once, what is copied keeps its source's bytes, and what belongs to a
slice is made for it.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from dicom_templates.explicit_vr import RawElement, copied_element, element, vr_of
from dicom_templates.raw_values import Elements, character_set, raw_bytes, texts
from dicom_templates.series_values import SERIES_VALUES, SeriesContext
from dicom_templates.slice_values import SLICE_VALUES, SliceContext
from dicom_templates.template import Attribute, LiteralText

Step = Callable[[SliceContext], bytes]
"""Encodes one attribute for a slice; empty where it stays absent."""


def compile_step(attribute: Attribute, series: SeriesContext) -> Step:
    """How one attribute of the template is written for a slice."""
    if attribute.action == "copy":
        return _Copy(attribute)
    if attribute.action == "empty":
        return _constant(element(attribute.tag, attribute.vr, b""))
    if attribute.value in SLICE_VALUES:
        return _SetPerSlice(attribute)
    return _constant(_series_element(attribute, series))


def _series_element(attribute: Attribute, series: SeriesContext) -> bytes:
    value = attribute.literal if attribute.value is None else SERIES_VALUES[attribute.value](series)
    if value is None:
        return b""
    if isinstance(value, list):
        return element(attribute.tag, attribute.vr, b"".join(value))
    text = value if isinstance(value, str) else "\\".join(value)
    return element(attribute.tag, attribute.vr, text.encode("ascii"))


def _constant(encoded: bytes) -> Step:
    return lambda context: encoded


class _SetPerSlice:
    def __init__(self, attribute: Attribute) -> None:
        self._tag, self._vr = attribute.tag, attribute.vr
        self._value = SLICE_VALUES[attribute.value or ""]

    def __call__(self, context: SliceContext) -> bytes:
        value = self._value(context)
        if value is None:
            return b""
        vr = vr_of(self._tag, None, signed=context.encoding.signed) if " or " in self._vr else self._vr
        return element(self._tag, vr, value)


class _Copy:
    """A copied attribute; the last encoding is kept, for most are the same in every slice."""

    def __init__(self, attribute: Attribute) -> None:
        self._tag = attribute.tag
        self._last: tuple[bytes | None, bytes] = (None, b"")
        self._unless = [tag_for_keyword(keyword) or 0 for keyword in attribute.unless_present]
        self._where = attribute.otherwise_where
        self._needs_value = isinstance(attribute.otherwise, LiteralText)
        self._otherwise = b""
        if attribute.otherwise is not None:
            literal = attribute.otherwise.literal if isinstance(attribute.otherwise, LiteralText) else ""
            self._otherwise = element(self._tag, attribute.vr, literal.encode("ascii"))

    def __call__(self, context: SliceContext) -> bytes:
        elements = context.source.elements
        raw = elements.get(self._tag)
        if raw is None or (self._needs_value and raw_bytes(elements, self._tag) is None):
            return self._otherwise if self._otherwise_applies(elements) else b""
        value, encoded = self._last
        if isinstance(raw, RawDataElement) and raw.value == value and value is not None:
            return encoded
        encoded = _copied(raw, context)
        self._last = (raw.value, encoded) if isinstance(raw, RawDataElement) else (None, b"")
        return encoded

    def _otherwise_applies(self, elements: Elements) -> bool:
        if any(raw_bytes(elements, tag) is not None for tag in self._unless):
            return False
        if self._where is None:
            return True
        return not set(self._where.has).isdisjoint(texts(elements, tag_for_keyword(self._where.keyword) or 0))


def _copied(raw: RawElement, context: SliceContext) -> bytes:
    charset = character_set(context.source.elements)
    return copied_element(raw, signed=context.source.encoding.signed, charset=charset)
