"""What the report draws: spectra averaged over series, detectability over dose, agreement of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipelines.evaluation.detection import Reading
from pipelines.evaluation.document import Curve
from pipelines.evaluation.survival import Measurement
from pipelines.measures.edge_transfer import Transfer
from pipelines.measures.noise_power import NoisePower

Values = NDArray[np.float64]
SAMPLES = 33
NOISE, EDGES = "Noise power, each relative to its mean", "Transfer at the patient's surface"
MOST_POINTS = 400


@dataclass
class CurveSet:
    """Lines of two plots, by label; one line of a series each."""

    lines: dict[tuple[str, str], list[tuple[Values, Values]]] = field(default_factory=dict)

    def add(self, spectra: Mapping[str, NoisePower], transfers: Mapping[str, Transfer]) -> None:
        """Of one series."""
        for name, spectrum in spectra.items():
            relative = spectrum.power / spectrum.power.mean()
            self.lines.setdefault((NOISE, name), []).append((spectrum.frequency_per_mm, relative))
        for name, transfer in transfers.items():
            line = (transfer.frequency_per_mm, transfer.modulation)
            self.lines.setdefault((EDGES, name), []).append(line)

    def curves(self) -> Iterator[Curve]:
        """Means over series, on the frequencies that all of them reach."""
        for (plot, label), lines in self.lines.items():
            first = max(float(x[0]) for x, _ in lines)
            last = min(float(x[-1]) for x, _ in lines)
            x = np.linspace(first, last, SAMPLES)
            y = np.mean([np.interp(x, *line) for line in lines], axis=0)
            name = "power / mean power" if plot == NOISE else "modulation"
            yield Curve(plot=plot, label=label, x_name="cycles/mm", y_name=name, x=tuple(x), y=tuple(y))


def detection_curves(readings: Sequence[Reading]) -> Iterator[Curve]:
    """d' over dose of each rod, by Laguerre-Gauss channels."""
    mine = [each for each in readings if each.channels == "Laguerre-Gauss"]

    def line(each: Reading) -> tuple[str, str]:
        return each.rod, each.image

    for (rod, image), group in groupby(sorted(mine, key=lambda r: (line(r), r.dose)), key=line):
        members = list(group)
        yield Curve(
            plot="Low-contrast detectability (CHO, Laguerre-Gauss)",
            label=f"{image}, {rod}",
            x_name=members[0].dose_words,
            y_name="d'",
            x=tuple(each.dose for each in members),
            y=tuple(each.interval.mean for each in members),
        )


def agreement_curves(measurements: Sequence[Measurement]) -> Iterator[Curve]:
    """Bland and Altman's plots of lesions measured in the result and in the reference."""
    for figure in sorted({each.figure for each in measurements}):
        for image in ("input", "result"):
            mine = [each for each in measurements if (each.figure, each.image) == (figure, image)]
            mine = mine[:: -(-len(mine) // MOST_POINTS) or 1]
            if mine:
                yield Curve(
                    plot=f"{figure.capitalize()}: agreement with the reference",
                    label=image,
                    x_name=f"mean of both ({mine[0].unit})",
                    y_name=f"image - reference ({mine[0].unit})",
                    points=True,
                    x=tuple((each.value + each.reference) / 2 for each in mine),
                    y=tuple(each.value - each.reference for each in mine),
                )
