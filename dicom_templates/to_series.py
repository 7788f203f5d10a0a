"""Result slices as DICOM instances, by a template.

The header is encoded once: what is the same in all instances is bytes from the first on, what is copied
is the source's bytes behind a new element header, and only the few values of the slice are made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_templates import tags
from dicom_templates.explicit_vr import element
from dicom_templates.identity import RunIdentity
from dicom_templates.pixel_module import result_encoding, stored_result
from dicom_templates.references import (
    Reference,
    receptive_field,
    referenced_series_items,
    source_image_item,
)
from dicom_templates.series_plan import SeriesPlan, plan_references
from dicom_templates.series_values import SeriesContext
from dicom_templates.slice_values import SliceContext
from dicom_templates.source import SourceSlice
from dicom_templates.steps import compile_step
from dicom_templates.stored_values import Stored
from dicom_templates.template import Template, load_template, template_for
from dicom_templates.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    result_instance_uid,
    result_series_uid,
)
from dicom_templates.windows import Window
from pipelines.errors import OrthogenError
from pipelines.volume import SliceGrid

__all__ = ["SeriesWriter", "WrittenInstance", "load_template", "template_for"]

_PREAMBLE = bytes(128) + b"DICM"


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
        output_grid: SliceGrid | None = None,
        output: str = "",
    ) -> None:
        """`first` is any header of the source series. `context_slices` is how many slices on either side
        the model sees. `other_sources` are instances of further series that every slice is made from.
        `window` is shown where the source's does not hold. `output_grid` is the grid of a resampled result.
        `output` tells several series of a job apart; the template's name when empty.
        """
        output = output or template.name
        source_series = dict(plan.constants.alike)["SeriesInstanceUID"]
        self._template, self._plan, self._window = template, plan, window
        self._grid = output_grid
        self._places = {
            (each.sop_instance_uid, each.frame_number): place for place, each in enumerate(plan.slices)
        }
        self._context_slices, self._other_sources = context_slices, tuple(other_sources)
        self._references = plan_references(plan)
        self.series_instance_uid = result_series_uid(
            identity, source_series, (reference.sop_instance_uid for reference in self._references), output
        )
        context = SeriesContext(template, identity, first, self.series_instance_uid, series_index, output)
        self._steps = [compile_step(attribute, context) for attribute in template.attributes()]

    def write(self, source: SourceSlice, index: int, values: NDArray[np.float32]) -> WrittenInstance:
        """The result instance at `index` of the plan, or of `output_grid`; `source` is the slice it stands
        for, the nearest one on a grid of its own.

        `values` is (rows, columns) in the template's quantity, Hounsfield units or signal. Raises
        ResultNotFinite, Refused, and OrthogenError for another shape than the grid's.
        """
        grid = self._grid or self._plan.grid
        if values.shape != (grid.rows, grid.columns):
            raise OrthogenError(f"a result of {values.shape} on a grid of {grid.rows} x {grid.columns}")
        encoding = result_encoding(self._template, source)
        if self._grid is None:
            stored, clipped = stored_result(self._template, encoding, source, values)
        else:
            encoding = replace(encoding, padding_range=None)  # the source's padding is on another grid
            stored, clipped = encoding.quantise(values)
        references = self._references_of(self._places[source.sop_instance_uid, source.frame_number])
        part = "" if self._grid is None else str(index)
        if source.frame_number is not None:
            part = f"{part}#{source.frame_number}"
        context = SliceContext(
            template=self._template,
            source=source,
            values=values,
            encoding=encoding,
            sop_instance_uid=result_instance_uid(self.series_instance_uid, source.sop_instance_uid, part),
            source_images=b"".join(
                source_image_item(each, preserved=self._grid is None) for each in references
            ),
            referenced_series=referenced_series_items(references),
            index=index,
            grid=self._grid,
            window=self._window,
        )
        head = file_meta(self._template.sop_class_uid, context.sop_instance_uid)
        body = [step(context) for step in self._steps]
        pixels = pixel_data(stored)
        return WrittenInstance(context.sop_instance_uid, b"".join((head, *body, *pixels)), clipped)

    def _references_of(self, index: int) -> list[Reference]:
        """The slice itself, then its neighbours in the receptive field, then the other series."""
        return [*receptive_field(self._references, index, self._context_slices), *self._other_sources]


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


def pixel_data(stored: Stored) -> tuple[bytes, memoryview]:
    """Header and value of native Pixel Data; the value is not copied here."""
    header = element(tags.PIXEL_DATA, "OW", b"")[:-4] + stored.nbytes.to_bytes(4, "little")
    return header, np.ascontiguousarray(stored).data.cast("B")
