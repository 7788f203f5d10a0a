"""From the headers of a series to the stack of slices it is, or to the reason why it is none.

Orthanc's index gives position, orientation and number of every instance without reading a file; one full
header gives the rest, and each slice is held against the plan again when it is read (`check_slice`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_templates.acceptance import accept_source, is_own_result
from dicom_templates.header_values import texts_of
from dicom_templates.references import Reference
from dicom_templates.slice_check import SeriesConstants, check_slice_against
from dicom_templates.source import SourceSlice
from pipelines.errors import Refused
from pipelines.volume import SliceGrid, Vector

__all__ = [
    "PlannedSlice",
    "SeriesPlan",
    "SliceHeader",
    "accept_source",
    "check_slice",
    "is_own_result",
    "plan_references",
    "plan_series",
]

_UNIT_LENGTH_TOLERANCE = 1e-3
_SAME_POSITION_MM = 0.01
_SPACING_TOLERANCE = 0.10
"""Of the median spacing: headers round positions to 0.1 mm, and a missing slice makes 100 %."""
_SMALLEST_SPACING_TOLERANCE_MM = 0.02


@dataclass(frozen=True)
class SliceHeader:
    """What planning needs of one instance; all of it is in Orthanc's main DICOM tags."""

    sop_instance_uid: str
    position_lps_mm: Vector | None
    orientation_lps: tuple[float, ...] | None
    instance_number: int | None = None
    frame_number: int | None = None
    """Of a multi-frame instance, from 1; every frame has a header of its own."""

    @classmethod
    def of(cls, header: Dataset) -> SliceHeader:
        """From a dataset."""
        keywords = ("SOPInstanceUID", "ImagePositionPatient", "ImageOrientationPatient", "InstanceNumber")
        return cls.of_main_tags({keyword: "\\".join(texts_of(header, keyword)) for keyword in keywords})

    @classmethod
    def of_main_tags(cls, main_tags: Mapping[str, str]) -> SliceHeader:
        """From Orthanc's MainDicomTags: keyword to text, several values joined by backslashes."""
        position = _numbers(main_tags.get("ImagePositionPatient", ""), 3)
        number = _numbers(main_tags.get("InstanceNumber", ""), 1)
        return cls(
            sop_instance_uid=main_tags.get("SOPInstanceUID", "").strip(" \0"),
            position_lps_mm=None if position is None else (position[0], position[1], position[2]),
            orientation_lps=_numbers(main_tags.get("ImageOrientationPatient", ""), 6),
            instance_number=None if number is None else int(number[0]),
        )


@dataclass(frozen=True)
class PlannedSlice:
    """One slice in its place; `key` is whatever the caller finds the instance by."""

    sop_instance_uid: str
    key: str
    position_lps_mm: Vector
    instance_number: int | None
    frame_number: int | None = None


@dataclass(frozen=True)
class SeriesPlan:
    """A series understood as a stack: `slices` in order along `grid.normal_lps`."""

    grid: SliceGrid
    slices: tuple[PlannedSlice, ...]
    constants: SeriesConstants
    """What every slice of the series has to say alike."""


def plan_series(headers: Sequence[tuple[str, SliceHeader]], first: Dataset) -> SeriesPlan:
    """The stack that the instances form. `first` is the whole header of any one of them.

    Raises Refused: `empty`, `missing-uid`, `missing-geometry`, `invalid-orientation`,
    `mixed-orientation`, `duplicate-instance`, `duplicate-position`, `gap`, `uneven-spacing`,
    `not-a-stack`.
    """
    if not headers:
        raise Refused("empty", "the series has no instances")
    constants = SeriesConstants.of(first)
    orientation = _common_orientation([header for _, header in headers])
    normal = np.cross(orientation[:3], orientation[3:])
    slices = sorted(
        (_planned(key, header) for key, header in headers),
        key=lambda planned: (float(np.dot(planned.position_lps_mm, normal)), planned.sop_instance_uid),
    )
    if len({(planned.sop_instance_uid, planned.frame_number) for planned in slices}) < len(slices):
        raise Refused("duplicate-instance", "two instances of the series share a SOP Instance UID")
    _check_spacing(np.array([planned.position_lps_mm for planned in slices]), normal)
    return SeriesPlan(_grid(constants, orientation, slices), tuple(slices), constants)


def check_slice(plan: SeriesPlan, index: int, source: SourceSlice) -> None:
    """Nothing for a slice that is what the plan says. Raises Refused: `changed-instance`, `mixed-grid`,
    `mixed-orientation`, `moved-slice`, `mixed-series`, `no-rescale`.
    """
    planned = plan.slices[index]
    check_slice_against(plan.constants, planned.sop_instance_uid, planned.position_lps_mm, source)


def plan_references(plan: SeriesPlan) -> tuple[Reference, ...]:
    """What refers to each slice, in their order."""
    alike = dict(plan.constants.alike)
    return tuple(
        Reference(alike["SOPClassUID"], each.sop_instance_uid, alike["SeriesInstanceUID"], each.frame_number)
        for each in plan.slices
    )


def _planned(key: str, header: SliceHeader) -> PlannedSlice:
    if not header.sop_instance_uid:
        raise Refused("missing-uid", "an instance has no SOP Instance UID")
    if header.position_lps_mm is None:
        raise Refused("missing-geometry", "an instance has no Image Position (Patient)")
    return PlannedSlice(
        header.sop_instance_uid, key, header.position_lps_mm, header.instance_number, header.frame_number
    )


def _common_orientation(headers: Sequence[SliceHeader]) -> tuple[float, ...]:
    orientation = headers[0].orientation_lps
    if orientation is None or any(header.orientation_lps is None for header in headers):
        raise Refused("missing-geometry", "an instance has no Image Orientation (Patient)")
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    deviations = (abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column))
    if max(deviations) > _UNIT_LENGTH_TOLERANCE:
        raise Refused("invalid-orientation", "row and column directions are not perpendicular unit vectors")
    apart = [np.abs(np.subtract(header.orientation_lps or (), orientation)).max() for header in headers]
    if max(apart) > _UNIT_LENGTH_TOLERANCE:
        raise Refused("mixed-orientation", "the slices of the series are not parallel")
    return orientation


def _check_spacing(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    if len(positions) < 2:
        return
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    if along.min() < _SAME_POSITION_MM:
        raise Refused(
            "duplicate-position", f"two slices lie {along.min():.3f} mm apart: several stacks in one"
        )
    spacing = float(np.median(along))
    if along.max() > 1.5 * spacing:
        raise Refused("gap", f"{along.max():.2f} mm between two slices where {spacing:.2f} mm is usual")
    tolerance = max(_SPACING_TOLERANCE * spacing, _SMALLEST_SPACING_TOLERANCE_MM)
    if np.abs(along - spacing).max() > tolerance:
        raise Refused("uneven-spacing", f"slice distances from {along.min():.2f} to {along.max():.2f} mm")
    # A tilted gantry shifts every slice alike; a stack whose slices slide about is none.
    across = steps - np.outer(along, normal)
    slide = float(np.linalg.norm(across - np.median(across, axis=0), axis=1).max())
    if slide > max(tolerance, 0.2):
        raise Refused("not-a-stack", f"slices are shifted {slide:.2f} mm sideways against each other")


def _grid(
    constants: SeriesConstants, orientation: tuple[float, ...], slices: Sequence[PlannedSlice]
) -> SliceGrid:
    return SliceGrid(
        rows=constants.rows,
        columns=constants.columns,
        pixel_spacing_mm=constants.pixel_spacing_mm,
        row_direction_lps=(orientation[0], orientation[1], orientation[2]),
        column_direction_lps=(orientation[3], orientation[4], orientation[5]),
        positions_lps_mm=tuple(planned.position_lps_mm for planned in slices),
        slice_thickness_mm=constants.slice_thickness_mm,
    )


def _numbers(joined: str, count: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(part) for part in joined.split("\\"))
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(np.isfinite(numbers)) else None
