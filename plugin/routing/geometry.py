"""Orientation and slice spacing of a series from its instances (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

from plugin.routing.attributes import RuleAttribute
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.values import parse_value, split_values

Vector = tuple[float, float, float]

AXIS_COSINE = 0.8
"""A slice counts as axial, sagittal or coronal while its normal is within 37 degrees of that axis: the
threshold of PixelMed and dicom3tools (obliquityThresholdCosineValue)."""
PLANES = ("sagittal", "coronal", "axial")
SAME_POSITION_MM = 0.01
PARALLEL_COSINE = math.cos(math.radians(1.0))
VECTOR = RuleAttribute("", "number", "DS")


def orientation(facts: SeriesFacts) -> str | None:
    """axial, sagittal, coronal, oblique; mixed where the instances differ; None where none says.

    Judged by the slice normal, so turning the image within its own plane changes nothing.
    """
    planes = {_plane(normal) for normal in _normals(facts.instances or (facts.attributes,))}
    if len(planes) > 1:
        return "mixed"
    return planes.pop() if planes else None


def slice_spacing_mm(facts: SeriesFacts) -> float | None:
    """Median distance between neighbouring slice centres along the normal, several images at one place
    counted once. None where the slices are not parallel, or not every position is known."""
    normals = _normals(facts.instances)
    positions = [_vector(instance.get("ImagePositionPatient"), 3) for instance in facts.instances]
    known = [position for position in positions if position]
    if not normals or len(known) < max(facts.number_of_instances, len(positions)):
        return None
    first = normals[0]
    if any(abs(_dot(first, normal)) < PARALLEL_COSINE for normal in normals):
        return None
    places = sorted(sum(a * b for a, b in zip(first, position, strict=True)) for position in known)
    gaps = [after - before for before, after in pairwise(places)]
    apart = [gap for gap in gaps if gap > SAME_POSITION_MM]
    return round(median(apart), 4) if apart else None


def _normals(instances: Iterable[Mapping[str, Attribute]]) -> list[Vector]:
    """The different slice normals; instances share few, so each text is read once."""
    texts = dict.fromkeys(
        text if isinstance(text, str) else tuple(text)
        for instance in instances
        if (text := instance.get("ImageOrientationPatient"))
    )
    return [normal for text in texts if (normal := _normal(_vector(text, 6)))]


def _normal(directions: Sequence[float] | None) -> Vector | None:
    if not directions:
        return None
    (a, b, c), (d, e, f) = directions[:3], directions[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = math.hypot(*normal)
    return (normal[0] / length, normal[1] / length, normal[2] / length) if length > 1e-6 else None


def _plane(normal: Vector) -> str:
    cosines = [abs(part) for part in normal]
    return PLANES[cosines.index(max(cosines))] if max(cosines) > AXIS_COSINE else "oblique"


def _dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _vector(value: Attribute | None, length: int) -> tuple[float, ...] | None:
    parts = [parse_value("number", part) for part in split_values(value or "", VECTOR)]
    numbers = tuple(part for part in parts if isinstance(part, float))
    return numbers if len(numbers) == len(parts) == length else None
