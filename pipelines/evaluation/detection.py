"""Tier 3 on phantoms: low-contrast detectability before and after the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.figures import INPUT, RESULT, Quantity
from pipelines.evaluation.inference import Inference, axial_grid
from pipelines.evaluation.subject import Image
from pipelines.measures.channels import gabor, laguerre_gauss
from pipelines.measures.contrast_phantom import (
    CT,
    MR,
    RODS,
    SIDE,
    SPACING_MM,
    SQUARE,
    Appearance,
    scans,
    squares_of,
)
from pipelines.measures.intervals import Interval
from pipelines.measures.model_observer import detectability

TIER = 3
SLICES = 24
SLICE_SPACING_MM = 3.0
FULL_DOSE_NOISE_HU = 15.0
DOSES = (1.0, 0.5, 0.25)
SEED = 20250102
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One kind of rod at one dose, seen by one set of channels in input and result."""

    channels: str
    rod: str
    """Its diameter and contrast in words."""
    dose: float
    dose_words: str
    image: str
    interval: Interval

    @property
    def quantity(self) -> Quantity:
        where = f"phantom, {self.rod}, {self.dose_words} {100 * self.dose:g} %"
        return Quantity(TIER, f"CHO d' ({self.channels})", "", self.image, where, better="higher")


def readings(infer: Inference, in_hu: bool) -> Iterator[Reading]:
    """Every rod at every dose, by Laguerre-Gauss and by Gabor channels, of input and result.

    Noise is that of the dose: 15 HU / sqrt(dose). For MR signal the contrasts and the noise are those of
    `contrast_phantom.MR`, and half a dose is half the signal averages.
    """
    look = CT if in_hu else MR
    rng = np.random.default_rng(SEED)
    for dose in DOSES:
        pair = {}
        for present in (True, False):
            noisy = scans(present, FULL_DOSE_NOISE_HU / dose**0.5, SLICES, rng, look)
            pair[present] = {INPUT: noisy, RESULT: inferred(infer, noisy)}
        for image in (RESULT, INPUT):
            yield from _read(pair[True][image], pair[False][image], dose, image, look)


def inferred(infer: Inference, stack: Image) -> Image:
    grid = axial_grid(len(stack), SIDE, SIDE, SPACING_MM, SLICE_SPACING_MM)
    return infer(stack, grid)


def _read(present: Image, absent: Image, dose: float, image: str, look: Appearance) -> Iterator[Reading]:
    dose_words = "signal averages" if look.magnitude else "dose"
    for rod, (diameter, contrast) in enumerate(RODS):
        with_rod, without = squares_of(present, rod), squares_of(absent, rod)
        channels = {
            "Laguerre-Gauss": laguerre_gauss(SQUARE, diameter / 2 / SPACING_MM),
            "Gabor": gabor(SQUARE),
        }
        for name, matrix in channels.items():
            found = detectability(with_rod, without, matrix)
            count = len(with_rod) + len(without)
            interval = Interval(found.d_prime, found.low95, found.high95, count)
            yield Reading(name, words(diameter, contrast, look), dose, dose_words, image, interval)


def words(diameter_mm: float, contrast_hu: float, look: Appearance) -> str:
    """A rod as CT or MR would name it: by its contrast in HU, or in percent of the background."""
    if look.magnitude:
        percent = 100 * contrast_hu * look.contrast_of_hu / look.background
        return f"{diameter_mm:g} mm {percent:g} %"
    return f"{diameter_mm:g} mm {contrast_hu:g} HU"
