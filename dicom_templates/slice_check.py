"""What every slice of a series has to say alike, and the check of one slice against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from dicom_templates import tags
from dicom_templates.header_values import numbers_of, text_of, texts_of
from dicom_templates.raw_values import decimal, decimals, short, text
from dicom_templates.source import SourceSlice
from pipelines.errors import Refused
from pipelines.volume import Vector

_SAME_DIRECTION = 1e-3
_SAME_POSITION_MM = 1e-3
_SAME_SPACING_MM = 1e-4

# Frame of Reference UID is not among them: de-identified public series (LIDC-IDRI) number it per instance.
# Position and orientation are held to one regular stack instead, and each result repeats its own slice's.
_ALIKE = {
    "StudyInstanceUID": tags.STUDY_INSTANCE_UID,
    "SeriesInstanceUID": tags.SERIES_INSTANCE_UID,
    "SOPClassUID": tags.SOP_CLASS_UID,
    "Modality": tags.MODALITY,
    "PhotometricInterpretation": tags.PHOTOMETRIC_INTERPRETATION,
    "RescaleType": tags.RESCALE_TYPE,
}


@dataclass(frozen=True)
class SeriesConstants:
    """Taken from one header; true of all."""

    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float]
    orientation_lps: tuple[float, ...]
    slice_thickness_mm: float | None
    alike: tuple[tuple[str, str], ...]
    """Keyword and value of the attributes that may not differ between the slices."""

    @classmethod
    def of(cls, first: Dataset) -> SeriesConstants:
        """Raises Refused: `missing-geometry`, `missing-uid`."""
        rows, columns = numbers_of(first, "Rows"), numbers_of(first, "Columns")
        spacing = numbers_of(first, "PixelSpacing")
        orientation = numbers_of(first, "ImageOrientationPatient")
        if not rows or not columns or not spacing or not orientation:
            raise Refused("missing-geometry", "Rows, Columns, Pixel Spacing or Image Orientation is missing")
        if len(spacing) != 2 or not min(spacing) > 0:
            raise Refused("missing-geometry", "Pixel Spacing is not two positive distances")
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            if not text_of(first, keyword):
                raise Refused("missing-uid", f"{keyword} has no value")
        thickness = numbers_of(first, "SliceThickness")
        return cls(
            rows=int(rows[0]),
            columns=int(columns[0]),
            pixel_spacing_mm=(spacing[0], spacing[1]),
            orientation_lps=orientation,
            slice_thickness_mm=thickness[0] if thickness and thickness[0] > 0 else None,
            alike=tuple((keyword, "\\".join(texts_of(first, keyword))) for keyword in _ALIKE),
        )


def check_slice_against(
    constants: SeriesConstants, sop_instance_uid: str, position_lps_mm: Vector, source: SourceSlice
) -> None:
    """Raises Refused; see `series_plan.check_slice`."""
    elements = source.elements
    if source.sop_instance_uid != sop_instance_uid:
        raise Refused("changed-instance", "the instance read is not the one that was planned")
    if source.stored_values.shape != (constants.rows, constants.columns):
        raise Refused("mixed-grid", f"a slice of {source.stored_values.shape} among {constants.rows} rows")
    if not _close(decimals(elements, tags.PIXEL_SPACING), constants.pixel_spacing_mm, _SAME_SPACING_MM):
        raise Refused("mixed-grid", "Pixel Spacing differs within the series")
    if not _close(
        decimals(elements, tags.IMAGE_ORIENTATION_PATIENT), constants.orientation_lps, _SAME_DIRECTION
    ):
        raise Refused("mixed-orientation", "Image Orientation (Patient) differs within the series")
    if not _close(decimals(elements, tags.IMAGE_POSITION_PATIENT), position_lps_mm, _SAME_POSITION_MM):
        raise Refused("moved-slice", "Image Position (Patient) is not the planned one")
    for keyword, expected in constants.alike:
        if (text(elements, _ALIKE[keyword]) or "") != expected:
            raise Refused("mixed-series", f"{keyword} differs within the series")
    _check_rescale(source)


def _check_rescale(source: SourceSlice) -> None:
    slope = decimal(source.elements, tags.RESCALE_SLOPE)
    if slope == 0 or (source.encoding.slope == 1 and slope is None and _is_ct(source)):
        raise Refused("no-rescale", "Rescale Slope is missing or zero in a slice")
    if short(source.elements, tags.SAMPLES_PER_PIXEL) != 1:
        raise Refused("colour", "a slice with several samples per pixel")


def _is_ct(source: SourceSlice) -> bool:
    return text(source.elements, tags.MODALITY) == "CT"


def _close(found: tuple[float, ...] | None, expected: tuple[float, ...], tolerance: float) -> bool:
    return (
        found is not None and len(found) == len(expected) and bool(np.allclose(found, expected, 0, tolerance))
    )
