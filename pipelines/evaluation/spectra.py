"""Tier 2, in frequencies: noise power in flat squares, transfer at the surface of the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.figures import REFERENCE, Quantity
from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.edge_transfer import Transfer, surface_points, transfer_of
from pipelines.measures.noise_power import NoisePower, flat_squares, power_of, radial

TIER = 2
Values = NDArray[np.float64]
SQUARE_PIXELS = 24
SQUARES_PER_SLICE = 24
LEAST_SQUARES = 8
FLAT_HU = 20.0
FLAT_OF_WINDOW = 0.04
SURFACE_HU = -500.0
LEAST_PROFILES = 200
TENTH, HALF = 0.1, 0.5


@dataclass
class NoiseSpectra:
    """Noise power of result, input and reference in the same squares."""

    subject: Subject
    scale: SeriesScale
    power: dict[str, Values] = field(default_factory=dict)
    squares: int = 0

    def observe(self, images: Mapping[str, Image], reference: Image, main: Mask) -> None:
        limit = FLAT_HU if self.scale.in_hu else FLAT_OF_WINDOW * self.scale.width
        places = flat_squares(reference, main, SQUARE_PIXELS, limit, SQUARES_PER_SLICE)
        self.squares += len(places)
        for name, image in {**images, REFERENCE: reference}.items():
            before = self.power.get(name, np.zeros((SQUARE_PIXELS, SQUARE_PIXELS)))
            self.power[name] = before + power_of(image, places, SQUARE_PIXELS)

    def spectra(self) -> dict[str, NoisePower]:
        """Empty where the series has too few flat squares."""
        if self.squares < LEAST_SQUARES:
            return {}
        found = {
            name: radial(power, self.squares, self.subject.spacing_mm) for name, power in self.power.items()
        }
        return {name: spectrum for name, spectrum in found.items() if spectrum.power.sum() > 0}

    def values(self) -> dict[Quantity, float]:
        spectra = self.spectra()
        return dict(self._values(spectra)) if REFERENCE in spectra else {}

    def _values(self, spectra: Mapping[str, NoisePower]) -> Iterator[tuple[Quantity, float]]:
        reference, where = spectra[REFERENCE], f"flat squares in {self.scale.main_mask}"
        full = np.sqrt(self.power[REFERENCE].sum())
        for name, spectrum in spectra.items():
            yield Quantity(TIER, "NPS peak frequency", "cycles/mm", name, where), spectrum.peak_per_mm
            yield Quantity(TIER, "NPS mean frequency", "cycles/mm", name, where), spectrum.mean_per_mm
            if name == REFERENCE:
                continue
            ratios = (
                ("NPS peak / reference's", spectrum.peak_per_mm / reference.peak_per_mm),
                ("NPS mean frequency / reference's", spectrum.mean_per_mm / reference.mean_per_mm),
                ("noise / reference's", float(np.sqrt(self.power[name].sum()) / full)),
            )
            for figure, ratio in ratios:
                yield Quantity(TIER, figure, "", name, where, better="near one"), ratio


@dataclass
class Edges:
    """Transfer of result, input and reference at the same places of the patient's skin."""

    subject: Subject
    scale: SeriesScale
    sums: dict[str, Values] = field(default_factory=dict)
    profiles: int = 0

    def observe(self, images: Mapping[str, Image], triple: Triple, main: Mask) -> None:
        level = SURFACE_HU if self.scale.in_hu else self.scale.foreground_above
        if level is None:
            return
        points = surface_points(triple.reference, main, level, triple.measured)
        if not len(points.rows):
            return
        self.profiles += len(points.rows)
        for name, image in {**images, REFERENCE: triple.reference}.items():
            total = points.profiles(image).sum(axis=0)
            self.sums[name] = self.sums.get(name, np.zeros_like(total)) + total

    def transfers(self) -> dict[str, Transfer]:
        """Empty where the series shows too little of the body's surface."""
        if self.profiles < LEAST_PROFILES:
            return {}
        return {
            name: transfer_of(total / self.profiles, self.subject.spacing_mm)
            for name, total in self.sums.items()
        }

    def values(self) -> dict[Quantity, float]:
        return dict(self._values(self.transfers()))

    def _values(self, transfers: Mapping[str, Transfer]) -> Iterator[tuple[Quantity, float]]:
        where = "surface of the " + ("body" if self.scale.in_hu else "head")
        for share, word in ((HALF, "50 %"), (TENTH, "10 %")):
            for name, transfer in transfers.items():
                frequency = transfer.frequency_at(share)
                yield Quantity(TIER, f"{word} transfer", "cycles/mm", name, where), frequency
                if name != REFERENCE:
                    ratio = frequency / transfers[REFERENCE].frequency_at(share)
                    figure = f"{word} transfer / reference's"
                    yield Quantity(TIER, figure, "", name, where, better="near one"), ratio
