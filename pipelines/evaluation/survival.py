"""Tier 3: lesions drawn into a patient's slices: do they survive, are they seen, do they measure the same?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.figures import INPUT, REFERENCE, RESULT, Quantity, Sums
from pipelines.evaluation.inference import Inference
from pipelines.evaluation.placing import Kind, placed_lesions, places_within, roomy
from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.lesions import (
    Lesion,
    drawn,
    half_maximum_diameter_mm,
    mean_inside,
    recovery,
    response,
)
from pipelines.volume import SliceGrid

TIER = 3
STACK = 15
LESIONS_A_ROUND = 27
FREE_PLACES = 12
SURVIVED = 0.5
SPECIFICITY = 95.0
MEASURED_FROM_MM = 6.0
SEED = 20250103
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One lesion measured in an image and in the reference."""

    patient: str
    figure: str
    unit: str
    image: str
    value: float
    reference: float


@dataclass(frozen=True)
class Stack:
    """Slices from the middle of a series, as arrays (slices, rows, columns)."""

    source: Image
    reference: Image
    result: Image | None
    """Where the stack is all of the series, so that no neighbour is missing."""
    masks: tuple[Mask, ...]
    """Where a lesion may lie."""
    grid: SliceGrid

    @property
    def spacing_mm(self) -> float:
        return (self.grid.pixel_spacing_mm[0] + self.grid.pixel_spacing_mm[1]) / 2

    @property
    def between_mm(self) -> float:
        grid = self.grid
        return abs(grid.slice_spacing_mm or grid.slice_thickness_mm or grid.pixel_spacing_mm[0])


@dataclass(frozen=True)
class Survival:
    """What came of the lesions of one series."""

    values: Mapping[Quantity, float]
    measurements: tuple[Measurement, ...]


def survival(subject: Subject, scale: SeriesScale, infer: Inference, rounds: int) -> Survival:
    """Draws lesions into input and reference, `rounds` times 27 of them, runs the pipeline with and without
    them, and measures.

    Empty where the slices have no room for lesions.
    """
    stack = middle_stack(subject, scale)
    rng = np.random.default_rng(SEED)
    plain = infer(stack.source, stack.grid) if stack.result is None else stack.result
    without = {INPUT: stack.source, RESULT: plain, REFERENCE: stack.reference}
    sums, measurements = Sums(), list[Measurement]()
    seen: dict[tuple[Kind, str], list[tuple[float, list[float]]]] = {}
    for _ in range(rounds):
        lesions = placed_lesions(stack.masks, stack.spacing_mm, stack.between_mm, scale, LESIONS_A_ROUND, rng)
        if not lesions:
            continue
        source = drawn(stack.source, [each for _, each in lesions], stack.spacing_mm, stack.between_mm)
        reference = drawn(stack.reference, [each for _, each in lesions], stack.spacing_mm, stack.between_mm)
        with_lesions = {INPUT: source, RESULT: infer(source, stack.grid), REFERENCE: reference}
        for kind, lesion in lesions:
            sums.add(dict(_kept(kind, lesion, stack, with_lesions[RESULT], without[RESULT])))
            measurements += _measured(subject.patient, lesion, stack, with_lesions, scale)
            free = _free_places(lesion, stack, rng)
            for name in (RESULT, INPUT, REFERENCE):
                answers = _answers(lesion, free, stack, with_lesions[name], without[name])
                seen.setdefault((kind, name), []).append(answers)
    return Survival({**sums.means(), **dict(_sensitivities(seen))}, tuple(measurements))


def middle_stack(subject: Subject, scale: SeriesScale) -> Stack:
    """Up to 15 slices around the middle one."""
    count = subject.grid.slices
    first = max(0, (count - STACK) // 2)
    triples: list[Triple] = list(islice(subject.triples(), first, first + STACK))
    return Stack(
        source=np.stack([triple.source for triple in triples]),
        reference=np.stack([triple.reference for triple in triples]),
        result=np.stack([triple.result for triple in triples]) if len(triples) == count else None,
        masks=tuple(roomy(triple, scale) for triple in triples),
        grid=_part_of(subject.grid, first, len(triples)),
    )


def _part_of(grid: SliceGrid, first: int, count: int) -> SliceGrid:
    return replace(grid, positions_lps_mm=grid.positions_lps_mm[first : first + count])


def _kept(
    kind: Kind, lesion: Lesion, stack: Stack, with_lesion: Image, without: Image
) -> Iterator[tuple[Quantity, float]]:
    index = lesion.slice_index
    kept = recovery(with_lesion[index], without[index], lesion, stack.between_mm, stack.spacing_mm)
    for where in (kind.words, "all lesions"):
        yield Quantity(TIER, "lesion contrast kept", "", RESULT, where, better="near one"), kept
        survived = 100.0 * (kept >= SURVIVED)
        yield (
            Quantity(TIER, "lesions that keep half their contrast", "%", RESULT, where, better="higher"),
            survived,
        )


def _answers(
    lesion: Lesion, free: Sequence[Lesion], stack: Stack, with_lesion: Image, without: Image
) -> tuple[float, list[float]]:
    """What the matched reader sees at the lesion, and at places without any."""
    index, size = lesion.slice_index, (stack.between_mm, stack.spacing_mm)
    return response(with_lesion[index], lesion, *size), [
        response(without[index], each, *size) for each in free
    ]


def _free_places(lesion: Lesion, stack: Stack, rng: np.random.Generator) -> list[Lesion]:
    """The same lesion elsewhere in its slice."""
    room = places_within(stack.masks[lesion.slice_index], lesion.diameter_mm, stack.spacing_mm)
    if not len(room):
        return []
    chosen = room[rng.integers(0, len(room), FREE_PLACES)]
    return [replace(lesion, row=float(row), column=float(column)) for row, column in chosen]


def _sensitivities(
    seen: Mapping[tuple[Kind, str], Sequence[tuple[float, Sequence[float]]]],
) -> Iterator[tuple[Quantity, float]]:
    """Share of lesions whose answer lies above 95 % of the lesion-free answers, of each kind and image."""
    for (kind, image), answers in sorted(seen.items(), key=lambda item: (item[0][0].words, item[0][1])):
        free = [value for _, values in answers for value in values]
        if len(free) < FREE_PLACES:
            continue
        limit = float(np.percentile(free, SPECIFICITY))
        share = 100.0 * float(np.mean([value > limit for value, _ in answers]))
        figure = "lesion sensitivity at 95 % specificity"
        yield Quantity(TIER, figure, "%", image, kind.words, better="higher"), share


def _measured(
    patient: str, lesion: Lesion, stack: Stack, images: Mapping[str, Image], scale: SeriesScale
) -> Iterator[Measurement]:
    index, spacing = lesion.slice_index, stack.spacing_mm
    reference = images[REFERENCE][index]
    for name in (RESULT, INPUT):
        image = images[name][index]
        values = (scale.in_unit(mean_inside(each, lesion, spacing)) for each in (image, reference))
        yield Measurement(patient, "lesion mean", scale.unit, name, *values)
        if lesion.diameter_mm >= MEASURED_FROM_MM:
            mine = half_maximum_diameter_mm(image, lesion, spacing)
            theirs = half_maximum_diameter_mm(reference, lesion, spacing)
            if mine is not None and theirs is not None:
                yield Measurement(patient, "lesion diameter", "mm", name, mine, theirs)
