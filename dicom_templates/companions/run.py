"""What every companion is made from, and what is done to each after highdicom has built it.

highdicom knows the structure of these objects; our templates know what a study needs: patient and study
byte for byte, the node as equipment, the real scanner and the model as contributing equipment, and times
and UIDs that repeat when the job does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import dcmwrite
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_templates.explicit_vr import RawElement
from dicom_templates.identity import RunIdentity
from dicom_templates.series_values import SERIES_VALUES, SeriesContext
from dicom_templates.slice_values import SliceContext
from dicom_templates.source import SourceSlice
from dicom_templates.steps import compile_step
from dicom_templates.template import Template, load_template
from dicom_templates.to_series import WrittenInstance
from dicom_templates.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    result_instance_uid,
    result_series_uid,
)


@dataclass(frozen=True)
class CompanionRun:
    """A finished run: its sources, its results, and who made them."""

    identity: RunIdentity
    first: SourceSlice
    """Any source slice: patient, study and scanner are taken from it."""
    sources: Sequence[Dataset]
    """Headers of all source instances."""
    results: Sequence[Dataset]
    """Headers of all result instances, in order along the normal."""
    series_index: int
    """Tells the output series of the run apart in Series Number."""

    def naming(self, template_name: str) -> Naming:
        """The UIDs and texts of the companion of that template."""
        template = load_template(template_name)
        source_uids = [str(source.SOPInstanceUID) for source in self.sources]
        series_uid = result_series_uid(
            self.identity, str(self.sources[0].SeriesInstanceUID), source_uids, template.name
        )
        context = SeriesContext(
            template, self.identity, self.first.header, series_uid, self.series_index, template.name
        )
        return Naming(context, result_instance_uid(series_uid, "companion"))


@dataclass(frozen=True)
class Naming:
    """What highdicom has to be told before it builds."""

    context: SeriesContext
    sop_instance_uid: str

    @property
    def series_instance_uid(self) -> str:
        return self.context.series_instance_uid

    @property
    def series_number(self) -> int:
        return int(str(SERIES_VALUES["series_number"](self.context)))


def finished(built: Dataset, run: CompanionRun, naming: Naming) -> WrittenInstance:
    """`built` with the template's attributes in the place of highdicom's, as a Part 10 file."""
    for raw in overlay(run.first, naming.context):
        built[BaseTag(raw.tag)] = raw
    for attribute in naming.context.template.all_attributes():
        if attribute.action == "remove" and attribute.keyword in built:
            delattr(built, attribute.keyword)
    return WrittenInstance(naming.sop_instance_uid, part_10(built), clipped_voxels=0)


def overlay(first: SourceSlice, series: SeriesContext) -> list[RawElement]:
    """The elements that the template writes, still raw."""
    context = _slice_context(first, series.template)
    encoded = b"".join(compile_step(attribute, series)(context) for attribute in series.template.attributes())
    elements = read_dataset(BytesIO(encoded), is_implicit_VR=False, is_little_endian=True)
    return [elements.get_item(tag) for tag in sorted(elements.keys())]


def part_10(dataset: Dataset) -> bytes:
    """A Part 10 file, Explicit VR Little Endian, under our implementation's name."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.SourceApplicationEntityTitle = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _slice_context(first: SourceSlice, template: Template) -> SliceContext:
    """Only copies are made from it: companions have no values of a slice."""
    return SliceContext(
        template=template,
        source=first,
        values=np.zeros((1, 1), np.float32),
        encoding=first.encoding,
        sop_instance_uid="",
        source_images=b"",
        referenced_series=b"",
        index=0,
        grid=None,
        window=None,
    )
