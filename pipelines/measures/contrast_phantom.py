"""A simulated low-contrast phantom like the CCT189 of the MITA test: four kinds of faint rods in a disc.

Rods of 3, 5, 7 and 10 mm with 14, 7, 5 and 3 HU (Vaishnav et al. 2014; the FDA's LCD-CT tool), here each kind
at four places of one slice, so that a slice gives four samples. CT noise is stationary with the spectrum of
filtered back projection: a ramp times the square of a smooth kernel. MR noise is that of a magnitude image
(Rice). It stands in for a scanner's noise; it is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Values = NDArray[np.float64]

RODS: tuple[tuple[float, float], ...] = ((3.0, 14.0), (5.0, 7.0), (7.0, 5.0), (10.0, 3.0))
"""Diameter in mm, contrast in HU."""
SIDE = 320
SPACING_MM = 0.664
DISC_RADIUS_MM = 100.0
SQUARE = 48
"""Side of the square around each rod that an observer sees, in pixels."""
KERNEL_PER_MM = 0.4
"""Frequency at which the kernel's Gaussian falls to exp(-1)."""
FINE = 5


@dataclass(frozen=True)
class Appearance:
    """What the disc, and what is around it, measure."""

    background: float
    surroundings: float
    contrast_of_hu: float
    """A rod's contrast for each HU it has by `RODS`; its noise is scaled alike."""
    magnitude: bool
    """Whether noise is white and complex, and what is seen its magnitude."""


CT = Appearance(background=40.0, surroundings=-1000.0, contrast_of_hu=1.0, magnitude=False)
MR = Appearance(background=500.0, surroundings=0.0, contrast_of_hu=2.0, magnitude=True)
"""Contrasts of 5.6 to 1.2 percent: those of the low-contrast discs of the ACR's MR phantom are 5.1 to 1.4."""


@dataclass(frozen=True)
class Site:
    """A square of a slice, and the kind of rod in its middle when there is one."""

    row: int
    column: int
    rod: int

    @property
    def square(self) -> tuple[slice, slice]:
        return slice(self.row, self.row + SQUARE), slice(self.column, self.column + SQUARE)


def sites() -> list[Site]:
    """The squares that lie wholly in the disc, kinds in turn."""
    places = list(_places())
    return [Site(row, column, number % len(RODS)) for number, (row, column) in enumerate(places)]


def _places() -> Iterator[tuple[int, int]]:
    first = (SIDE - 6 * SQUARE) // 2
    radius = DISC_RADIUS_MM / SPACING_MM - 4
    for row in range(first, SIDE - SQUARE + 1, SQUARE):
        for column in range(first, SIDE - SQUARE + 1, SQUARE):
            corners = [
                np.hypot(r - SIDE / 2, c - SIDE / 2)
                for r in (row, row + SQUARE)
                for c in (column, column + SQUARE)
            ]
            if max(corners) <= radius:
                yield row, column


def anatomy(present: bool, look: Appearance = CT) -> Image:
    """(320, 320), without noise, pixels averaged from a grid five times as fine."""
    step = look.background - look.surroundings
    slice_ = step * _disc(SIDE, DISC_RADIUS_MM) + look.surroundings
    for site in sites() if present else ():
        diameter, contrast = RODS[site.rod]
        slice_[site.square] += contrast * look.contrast_of_hu * _disc(SQUARE, diameter / 2)
    return slice_.astype(np.float32)


def _disc(side: int, radius_mm: float) -> Values:
    """(side, side): the share of each pixel inside a circle around the middle of the square."""
    axis = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    inside = np.hypot(axis[:, np.newaxis], axis) < radius_mm / SPACING_MM
    shares: Values = inside.reshape(side, FINE, side, FINE).mean(axis=(1, 3))
    return shares


def noise_filter(side: int) -> Values:
    """(side, side): size of the noise's spectrum by spatial frequency, for white noise of deviation 1 to give
    noise of deviation 1.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.fftfreq(side)) / SPACING_MM
    spectrum = np.sqrt(frequency) * np.exp(-((frequency / KERNEL_PER_MM) ** 2))
    scaled: Values = spectrum / np.sqrt(np.mean(spectrum**2))
    return scaled


def scans(
    present: bool, noise_hu: float, slices: int, rng: np.random.Generator, look: Appearance = CT
) -> Image:
    """(slices, 320, 320): the same anatomy in every slice, as rods have it, with independent noise."""
    truth, noise = anatomy(present, look), noise_hu * look.contrast_of_hu
    if look.magnitude:
        drawn = (rng.standard_normal((2, SIDE, SIDE)) * noise for _ in range(slices))
        return np.stack([np.hypot(truth + real, imaginary) for real, imaginary in drawn]).astype(np.float32)
    shape = noise_filter(SIDE)[:, : SIDE // 2 + 1]
    white = (rng.standard_normal((SIDE, SIDE)) for _ in range(slices))
    coloured = (np.fft.irfft2(np.fft.rfft2(each) * shape, s=(SIDE, SIDE)) for each in white)
    return np.stack([truth + noise * each for each in coloured]).astype(np.float32)


def squares_of(stack: Image, rod: int) -> Values:
    """(slices * places, 48, 48): what an observer sees of one kind of rod."""
    mine = [site.square for site in sites() if site.rod == rod]
    return np.stack([slice_[square] for slice_ in stack for square in mine]).astype(np.float64)
