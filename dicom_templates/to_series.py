"""Result slices as DICOM instances, by a template.

The header is encoded once: what is the same in all instances is bytes from the first on, what is copied
is the source's bytes behind a new element header, and only the few values of the slice are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_templates import tags
from dicom_templates.explicit_vr import RawElement, copied_element, element, vr_of
from dicom_templates.identity import RunIdentity
from dicom_templates.pixel_module import result_encoding, stored_result
from dicom_templates.raw_values import Elements, character_set, raw_bytes, texts
from dicom_templates.references import Reference, referenced_series_items, source_image_item
from dicom_templates.series_plan import SeriesPlan
from dicom_templates.series_values import SERIES_VALUES, SeriesContext
from dicom_templates.slice_values import SLICE_VALUES, SliceContext
from dicom_templates.source import SourceSlice
from dicom_templates.stored_values import Stored
from dicom_templates.template import Attribute, LiteralText, Template, load_template, template_for
from dicom_templates.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    result_instance_uid,
    result_series_uid,
)
from dicom_templates.windows import Window
from pipelines.errors import OrthogenError

__all__ = ["SeriesWriter", "WrittenInstance", "load_template", "template_for"]

_PREAMBLE = bytes(128) + b"DICM"
_Step = Callable[[SliceContext], bytes]


@dataclass(frozen=True)
class WrittenInstance:
    """One result instance, ready to be stored."""

    sop_instance_uid: str
    data: bytes
    """A whole Part 10 file, Explicit VR Little Endian."""
    clipped_voxels: int
    """Samples that did not fit the stored range."""


class SeriesWriter:
    """Writes the instances of one result series; the same arguments always give the same bytes."""

    def __init__(
        self,
        *,
        template: Template,
        identity: RunIdentity,
        plan: SeriesPlan,
        first: Dataset,
        context_slices: int,
        series_index: int = 1,
        other_sources: Sequence[Reference] = (),
        window: Window | None = None,
        output: str = "",
    ) -> None:
        """`first` is any header of the source series. `context_slices` is how many slices on either side
        the model sees. `other_sources` are instances of further series that every slice is made from.
        `window` is shown where the source's does not hold. `output` tells several series of a job apart;
        the template's name when empty.
        """
        output = output or template.name
        alike = dict(plan.constants.alike)
        source_series = alike["SeriesInstanceUID"]
        self._template, self._plan, self._window = template, plan, window
        self._context_slices, self._other_sources = context_slices, tuple(other_sources)
        self._references = tuple(
            Reference(alike["SOPClassUID"], each.sop_instance_uid, source_series) for each in plan.slices
        )
        self.series_instance_uid = result_series_uid(
            identity, source_series, (reference.sop_instance_uid for reference in self._references), output
        )
        context = SeriesContext(template, identity, first, self.series_instance_uid, series_index, output)
        self._steps = [_step(attribute, context) for attribute in template.attributes()]

    def write(self, source: SourceSlice, index: int, values: NDArray[np.float32]) -> WrittenInstance:
        """The result instance for the source slice at `index` of the plan.

        `values` is (rows, columns) in the template's quantity, Hounsfield units or signal. Raises
        ResultNotFinite, Refused, and OrthogenError for another shape than the source's.
        """
        if values.shape != source.stored_values.shape:
            raise OrthogenError(f"a result of {values.shape} for a source of {source.stored_values.shape}")
        encoding = result_encoding(self._template, source)
        stored, clipped = stored_result(self._template, encoding, source, values)
        references = self._references_of(index)
        context = SliceContext(
            template=self._template,
            source=source,
            values=values,
            encoding=encoding,
            sop_instance_uid=result_instance_uid(self.series_instance_uid, source.sop_instance_uid),
            source_images=b"".join(map(source_image_item, references)),
            referenced_series=referenced_series_items(references),
            window=self._window,
        )
        head = file_meta(self._template.sop_class_uid, context.sop_instance_uid)
        body = [step(context) for step in self._steps]
        pixels = _pixel_data(stored)
        return WrittenInstance(context.sop_instance_uid, b"".join((head, *body, *pixels)), clipped)

    def _references_of(self, index: int) -> list[Reference]:
        """The slice itself, then its neighbours in the receptive field, then the other series."""
        begin, end = max(index - self._context_slices, 0), index + self._context_slices + 1
        neighbours = [*self._references[begin:index], *self._references[index + 1 : end]]
        return [self._references[index], *neighbours, *self._other_sources]


def file_meta(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 section 7.1) for Explicit VR Little Endian."""
    body = b"".join(
        (
            element(0x00020001, "OB", b"\0\1"),
            element(0x00020002, "UI", sop_class_uid.encode("ascii")),
            element(0x00020003, "UI", sop_instance_uid.encode("ascii")),
            element(0x00020010, "UI", ExplicitVRLittleEndian.encode("ascii")),
            element(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            element(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
            element(0x00020016, "AE", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
        )
    )
    return _PREAMBLE + element(0x00020000, "UL", len(body).to_bytes(4, "little")) + body


def _pixel_data(stored: Stored) -> tuple[bytes, memoryview]:
    """Header and value of native Pixel Data; the value is not copied here."""
    header = element(tags.PIXEL_DATA, "OW", b"")[:-4] + stored.nbytes.to_bytes(4, "little")
    return header, np.ascontiguousarray(stored).data.cast("B")


def _step(attribute: Attribute, series: SeriesContext) -> _Step:
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


def _constant(encoded: bytes) -> _Step:
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
        self._unless = tag_for_keyword(attribute.unless_present or "")
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
        if self._unless is not None and raw_bytes(elements, self._unless) is not None:
            return False
        if self._where is None:
            return True
        return not set(self._where.has).isdisjoint(texts(elements, tag_for_keyword(self._where.keyword) or 0))


def _copied(raw: RawElement, context: SliceContext) -> bytes:
    charset = character_set(context.source.elements)
    return copied_element(raw, signed=context.source.encoding.signed, charset=charset)
