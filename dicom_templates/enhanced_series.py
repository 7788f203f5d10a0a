"""A result as one Enhanced CT or MR instance, for a source that is one.

The frames are gathered in memory until the last one is there: the pixel data is one element, and its file is
stored whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dicom_templates.enhanced_source import EnhancedInstance
from dicom_templates.functional_groups import derivation, frame_groups, shared_groups
from dicom_templates.header_values import text_of
from dicom_templates.identity import RunIdentity
from dicom_templates.pixel_module import stored_result
from dicom_templates.provenance import derivation_codes, derivation_description
from dicom_templates.references import (
    Reference,
    evidence_items,
    receptive_field,
    referenced_series_items,
    source_image_item,
)
from dicom_templates.series_plan import SeriesPlan, plan_references
from dicom_templates.series_values import SeriesContext
from dicom_templates.slice_values import SliceContext
from dicom_templates.source import SourceSlice, mirrored
from dicom_templates.steps import compile_step
from dicom_templates.stored_values import Stored
from dicom_templates.template import Template
from dicom_templates.to_series import WrittenInstance, file_meta, pixel_data
from dicom_templates.uids import result_instance_uid, result_series_uid
from pipelines.errors import OrthogenError


class EnhancedWriter:
    """Gathers the frames of one result; the same arguments always give the same bytes."""

    def __init__(
        self,
        *,
        template: Template,
        identity: RunIdentity,
        plan: SeriesPlan,
        instance: EnhancedInstance,
        context_slices: int,
        series_index: int = 1,
        other_sources: Sequence[Reference] = (),
    ) -> None:
        """The arguments are those of `SeriesWriter`; `instance` is the source whose frames are planned."""
        self._template, self._plan, self._instance = template, plan, instance
        self._references = plan_references(plan)
        self._context_slices, self._other_sources = context_slices, tuple(other_sources)
        first = self._references[0]
        uids = [each.sop_instance_uid for each in self._references]
        self.series_instance_uid = result_series_uid(identity, first.series_instance_uid, uids, template.name)
        self.sop_instance_uid = result_instance_uid(self.series_instance_uid, first.sop_instance_uid)
        header = instance.part10.header
        self._series = SeriesContext(
            template, identity, header, self.series_instance_uid, series_index, template.name
        )
        self._steps = [compile_step(attribute, self._series) for attribute in template.attributes()]
        self._stored: dict[int, Stored] = {}
        self._clipped = 0

    @property
    def is_complete(self) -> bool:
        """True when every frame of the source has its result."""
        return len(self._stored) == self._instance.frames

    def take(self, source: SourceSlice, values: NDArray[np.float32]) -> Stored:
        """The stored samples of the frame that stands for `source`; `values` is (rows, columns).

        Raises ResultNotFinite, and OrthogenError for another shape than the grid's.
        """
        grid = self._plan.grid
        if values.shape != (grid.rows, grid.columns):
            raise OrthogenError(f"a result of {values.shape} on a grid of {grid.rows} x {grid.columns}")
        encoding = source.encoding
        as_stored = mirrored(values, encoding) if source.is_inverted_signal else values
        stored, clipped = stored_result(self._template, encoding, source, as_stored)
        self._stored[source.frame_number or 0] = stored
        self._clipped += clipped
        return stored

    def write(self) -> WrittenInstance:
        """The whole instance, once it is complete."""
        frames = range(1, self._instance.frames + 1)
        context = self._context(self._instance.slice(1))
        head = file_meta(self._template.sop_class_uid, self.sop_instance_uid)
        body = [step(context) for step in self._steps]
        pixels = pixel_data(np.stack([self._stored[number] for number in frames]))
        return WrittenInstance(self.sop_instance_uid, b"".join((head, *body, *pixels)), self._clipped)

    def _context(self, first: SourceSlice) -> SliceContext:
        whole, sources = self._instance.part10, [*self._references, *self._other_sources]
        return SliceContext(
            template=self._template,
            source=replace(first, header=whole.header, elements=whole.elements),
            values=np.zeros((1, 1), np.float32),
            encoding=first.encoding,
            sop_instance_uid=self.sop_instance_uid,
            source_images=b"",
            referenced_series=referenced_series_items(sources),
            index=0,
            grid=None,
            window=None,
            source_evidence=evidence_items(text_of(whole.header, "StudyInstanceUID"), sources),
            shared_groups=shared_groups(self._instance),
            frame_groups=frame_groups(self._instance, self._derivations()),
        )

    def _derivations(self) -> dict[int, bytes]:
        """By frame number: what was done, and from which frames."""
        identity, title = self._series.identity, self._template.title
        description, codes = derivation_description(identity, title), derivation_codes(resampled=False)
        return {
            planned.frame_number or 0: derivation(
                description, codes, [source_image_item(each) for each in self._seen_at(index)]
            )
            for index, planned in enumerate(self._plan.slices)
        }

    def _seen_at(self, index: int) -> list[Reference]:
        return [*receptive_field(self._references, index, self._context_slices), *self._other_sources]
