"""Series in folders as stacks of slices, and which of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from dicom_templates.series_plan import SeriesPlan, plan_series
from dicom_templates.source import SourceSlice
from pipelines.errors import Refused
from pipelines.volume import SliceGrid
from plugin.folder_run import Keyed, series_in
from plugin.plan_job import PlannedInput, read_first

SAME_PLACE_MM = 0.1
"""Headers round positions to a tenth of a millimetre."""
SAME_SPACING_MM = 1e-3
SAME_DIRECTION = 1e-3
DIGEST_DIGITS = 16


@dataclass(frozen=True)
class Stack:
    """One series found in a folder."""

    headers: tuple[Keyed, ...]
    planned: PlannedInput
    folder: str
    """Of its first file, relative to the folder given."""

    @property
    def plan(self) -> SeriesPlan:
        return self.planned.series

    @property
    def study_instance_uid(self) -> str:
        return str(self.planned.first.StudyInstanceUID)

    @property
    def patient_id(self) -> str:
        """Patient ID, or where it is empty the study: never written anywhere."""
        return str(self.planned.first.get("PatientID") or self.study_instance_uid)

    def slice(self, index: int) -> SourceSlice:
        """Read and held against the plan; raises Refused."""
        return self.planned.read(index, Path(self.plan.slices[index].key).read_bytes())


def stacks_in(folder: Path, say: Callable[[str], None]) -> list[Stack]:
    """Every image series below the folder that is a stack of slices; others are said and passed over."""
    found = []
    for series_instance_uid, headers in series_in(folder, say).items():
        try:
            found.append(stack_of(headers, folder))
        except Refused as refusal:
            say(f"series {series_instance_uid} passed over ({refusal.reason}): {refusal}")
    return sorted(found, key=lambda stack: (stack.folder, stack.plan.slices[0].sop_instance_uid))


def stack_of(headers: Sequence[Keyed], folder: Path) -> Stack:
    """Raises Refused for a series that is no stack."""
    first, enhanced, slices = read_first(headers, lambda key: Path(key).read_bytes())
    planned = PlannedInput(first, plan_series(slices, first=first), enhanced)
    return Stack(tuple(headers), planned, str(Path(headers[0][0]).parent.relative_to(folder)))


@dataclass(frozen=True)
class Pair:
    """An input beside its reference."""

    source: Stack
    reference: Stack
    places: tuple[int, ...]
    """For each slice of the source, the slice of the reference at its position."""
    rule: str

    @property
    def reference_uids(self) -> list[str]:
        return [planned.sop_instance_uid for planned in self.reference.plan.slices]


def patient_digests(pairs: Sequence[Pair]) -> dict[str, str]:
    """Patient ID to a digest of what the patient's references consist of: the same data gives the same, and
    it names nobody.
    """
    uids: dict[str, set[str]] = {}
    for each in pairs:
        uids.setdefault(each.source.patient_id, set()).update(each.reference_uids)
    return {
        patient: sha256("\n".join(sorted(known)).encode()).hexdigest()[:DIGEST_DIGITS]
        for patient, known in uids.items()
    }


RULES: tuple[tuple[str, Callable[[Stack, Stack], bool]], ...] = (
    ("the same study", lambda a, b: a.study_instance_uid == b.study_instance_uid),
    ("the same folder", lambda a, b: a.folder == b.folder),
    ("the same patient", lambda a, b: a.patient_id == b.patient_id),
)
"""Tried in this order; the geometry has to agree in any case."""


def pair(source: Stack, references: Sequence[Stack]) -> Pair:
    """The reference of a source: same study, or else same folder, or else same patient, and same geometry.

    Among several the one in the same relative folder. Raises Refused: `no-reference`, `geometry-differs`,
    `several-references`.
    """
    why = ""
    for rule, related in RULES:
        near = [reference for reference in references if related(source, reference)]
        fitting = [(reference, places) for reference in near if (places := _places(source, reference))]
        if len(fitting) > 1:
            fitting = [entry for entry in fitting if entry[0].folder == source.folder] or fitting
        if len(fitting) == 1:
            return Pair(source, *fitting[0], rule)
        if fitting:
            raise Refused(
                "several-references",
                f"{len(fitting)} reference series fit by {rule} and geometry",
                remedy="put each pair in folders of the same name below --input and --reference",
            )
        why = why or next((difference(source.plan.grid, other.plan.grid) for other in near), "")
    if why:
        raise Refused("geometry-differs", f"the reference differs: {why}", remedy="give both on one grid")
    raise Refused(
        "no-reference",
        "no reference series of the same study, folder or patient",
        remedy="put the reference below --reference in a folder of the same name",
    )


def _places(source: Stack, reference: Stack) -> tuple[int, ...]:
    """Empty where the reference does not cover the source on its pixel grid."""
    a, b = source.plan.grid, reference.plan.grid
    if difference(a, b):
        return ()
    return tuple(_nearest(position, b) for position in a.positions_lps_mm)


def difference(source: SliceGrid, reference: SliceGrid) -> str:
    """What keeps two series from being compared pixel by pixel, in words; empty for nothing."""
    size, other_size = (source.rows, source.columns), (reference.rows, reference.columns)
    if size != other_size:
        return f"{size[0]} x {size[1]} pixels here, {other_size[0]} x {other_size[1]} there"
    if not np.allclose(source.pixel_spacing_mm, reference.pixel_spacing_mm, atol=SAME_SPACING_MM, rtol=0):
        return f"pixel spacing {source.pixel_spacing_mm} mm here, {reference.pixel_spacing_mm} mm there"
    turned = np.subtract(_directions(source), _directions(reference))
    if np.abs(turned).max() > SAME_DIRECTION:
        return "the slices are oriented differently"
    missing = sum(not _covered(position, reference.positions_lps_mm) for position in source.positions_lps_mm)
    return f"{missing} of {source.slices} slice positions are not in the reference" if missing else ""


def _directions(grid: SliceGrid) -> tuple[float, ...]:
    return (*grid.row_direction_lps, *grid.column_direction_lps)


def _covered(position: Iterable[float], positions: Sequence[Sequence[float]]) -> bool:
    distances = np.linalg.norm(np.subtract(positions, tuple(position)), axis=1)
    return bool(distances.min() <= SAME_PLACE_MM)


def _nearest(position: Sequence[float], grid: SliceGrid) -> int:
    return int(np.argmin(np.linalg.norm(np.subtract(grid.positions_lps_mm, position), axis=1)))
