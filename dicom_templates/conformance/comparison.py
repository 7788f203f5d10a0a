"""A result beside its source, and what a rule over the two is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicom_templates.stored_values import Stored
from dicom_templates.template import Kind


@dataclass(frozen=True)
class Finding:
    """One broken rule."""

    rule: str
    message: str


@dataclass(frozen=True)
class Comparison:
    """What rules look at."""

    result: Dataset
    source: Dataset
    kind: Kind
    decoded: tuple[Stored, Stored] | None = None
    """Samples of result and source where they are decoded already; from the datasets' Pixel Data if not."""
    source_frame: int | None = None
    """Which frame of a multi-frame instance the source is, from 1."""

    @property
    def result_samples(self) -> Stored:
        """As stored, spare bits included: `pixel_array` would mask them away."""
        if self.decoded is not None:
            return self.decoded[0].ravel()
        signed = self.result.get("PixelRepresentation") == 1
        return np.frombuffer(self.result.get("PixelData", b""), "<i2" if signed else "<u2")

    @property
    def source_samples(self) -> Stored:
        return self.source.pixel_array.ravel() if self.decoded is None else self.decoded[1].ravel()

    @property
    def is_ct(self) -> bool:
        return bool(self.result.get("Modality") == "CT")

    @property
    def synthetic_required(self) -> bool:
        """Synthetic Data has to be YES whatever the pipeline says of itself."""
        return self.kind in ("translate", "mr2ct", "resample") or bool(
            self.source.get("SyntheticData") == "YES"
        )

    @property
    def result_tags(self) -> tuple[BaseTag, ...]:
        """The tags of the result; iterating a Dataset itself decodes every value."""
        return tuple(self.result.keys())

    def differs(self, keyword: str) -> bool:
        """True unless both lack the attribute, or have the same value (by bytes, where still raw)."""
        ours, theirs = self.result.get_item(keyword), self.source.get_item(keyword)
        if theirs is None or ours is None:
            return has_value(self.source, keyword) or has_value(self.result, keyword)
        raw = isinstance(ours, RawDataElement) and isinstance(theirs, RawDataElement)
        if raw and _trimmed(ours) == _trimmed(theirs):
            return False
        return bool(self.result[keyword].value != self.source[keyword].value)


@dataclass(frozen=True)
class Rule:
    """A rule of the checklist; `check` yields a message for every way it is broken."""

    id: str
    check: Callable[[Comparison], Iterator[str]]
    applies: Callable[[Comparison], bool] = lambda comparison: True


def has_value(dataset: Dataset, keyword: str) -> bool:
    """True when the attribute is there and not zero-length."""
    return dataset.get(keyword) not in (None, "", [], b"")


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """All values of an attribute; a single one as a list of one."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def code_of(item: Dataset, keyword: str) -> tuple[str, str] | None:
    """Value and scheme of the first code in a code sequence of an item."""
    codes = item.get(keyword)
    if not codes:
        return None
    return str(codes[0].get("CodeValue")), str(codes[0].get("CodingSchemeDesignator"))


def _trimmed(raw: RawDataElement | DataElement) -> bytes:
    return (raw.value or b"").rstrip(b" \0")
