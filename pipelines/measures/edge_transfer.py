"""Task transfer functions: how much of each spatial frequency an edge keeps.

Of round inserts after Richard et al. (2012), of a patient's own skin after Sanders, Hurwitz and Samei (2016):
profiles across the edge are aligned and averaged, their slope is the line spread, its spectrum the transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal.windows import tukey
from skimage.measure import find_contours

from pipelines.measures.regions import Image, Mask

Values = NDArray[np.float64]
STEP_PIXELS = 0.2
REACH_PIXELS = 7.0
SPECTRUM = 4096
TAPERED = 0.4
"""Part of the line spread, at its ends, that is led to zero."""
LONGEST_SPACING = 3
"""Of the contour's points every third is used: neighbours share their pixels."""


@dataclass(frozen=True)
class Transfer:
    """A transfer function, 1 at frequency 0."""

    frequency_per_mm: Values
    modulation: Values

    def frequency_at(self, modulation: float) -> float:
        """Where it first falls below, interpolated; the last frequency if it never does."""
        below = np.flatnonzero(self.modulation < modulation)
        if below.size == 0 or below[0] == 0:
            return float(self.frequency_per_mm[-1 if below.size == 0 else 0])
        last = int(below[0])
        around = slice(last - 1, last + 1)
        return float(np.interp(-modulation, -self.modulation[around], self.frequency_per_mm[around]))


def transfer_of(profile: Values, spacing_mm: float) -> Transfer:
    """Of an edge's mean profile, sampled each `STEP_PIXELS`."""
    line = np.diff(ndimage.gaussian_filter1d(profile, 1.0)) * tukey(profile.size - 1, TAPERED)
    spectrum: Values = np.abs(np.fft.rfft(line, SPECTRUM)).astype(np.float64)
    frequency = np.asarray(np.fft.rfftfreq(SPECTRUM, STEP_PIXELS * spacing_mm), np.float64)
    kept = frequency <= 0.5 / spacing_mm
    return Transfer(frequency[kept], (spectrum / max(float(spectrum[0]), 1e-12))[kept])


def circular_profile(image: Image | Values, centre: tuple[float, float], radius: float) -> Values:
    """Mean over the circle of the profile from inside to outside; centre (row, column), radius in pixels."""
    reach = int(radius + REACH_PIXELS) + 2
    row, column = centre
    y, x = np.mgrid[int(row) - reach : int(row) + reach + 1, int(column) - reach : int(column) + reach + 1]
    inside = (y >= 0) & (x >= 0) & (y < image.shape[0]) & (x < image.shape[1])
    y, x = y[inside], x[inside]
    return _binned(np.hypot(y - row, x - column) - radius, image[y, x].astype(np.float64))


def _binned(distance: Values, values: Values) -> Values:
    """Means of the values over bins of distance; empty bins are interpolated."""
    edges = np.arange(-REACH_PIXELS, REACH_PIXELS + STEP_PIXELS, STEP_PIXELS)
    place = np.digitize(distance, edges)
    counts = np.bincount(place, minlength=edges.size + 1)[1:-1]
    sums = np.bincount(place, values, edges.size + 1)[1:-1]
    known = counts > 0
    centres = edges[:-1] + STEP_PIXELS / 2
    profile: Values = np.interp(centres, centres[known], sums[known] / counts[known])
    return profile


@dataclass(frozen=True)
class EdgePoints:
    """Where profiles cross a body's surface: (points, samples) rows and columns."""

    rows: Values
    columns: Values

    def profiles(self, image: Image) -> Values:
        """(points, samples), by cubic interpolation."""
        sampled: Values = ndimage.map_coordinates(
            image.astype(np.float64), [self.rows, self.columns], order=3, mode="nearest"
        )
        return sampled


def surface_points(reference: Image, body: Mask, level: float, measured: Mask) -> EdgePoints:
    """Profiles along the outward normal at the surface of a body, where the reference crosses `level`.

    Points whose profile leaves the slice, or touches unmeasured pixels, are left out; so are those where
    the reference does not fall from inside to outside (a table, a fold of skin).
    """
    smooth = ndimage.gaussian_filter(reference.astype(np.float64), 1.0)
    near = ndimage.binary_dilation(body, iterations=2) & ~ndimage.binary_erosion(body, iterations=3)
    down, right = np.gradient(ndimage.gaussian_filter(smooth, 2.0))
    offsets = np.arange(-REACH_PIXELS, REACH_PIXELS, STEP_PIXELS) + STEP_PIXELS / 2
    rows, columns = [], []
    for contour in find_contours(smooth, level):  # type: ignore[no-untyped-call]
        for row, column in contour[::LONGEST_SPACING]:
            place = (round(row), round(column))
            size = float(np.hypot(down[place], right[place]))
            if not near[place] or size <= 0:
                continue
            rows.append(row - down[place] / size * offsets)
            columns.append(column - right[place] / size * offsets)
    points = EdgePoints(np.array(rows).reshape(-1, offsets.size), np.array(columns).reshape(-1, offsets.size))
    return _usable(points, reference, measured)


def _usable(points: EdgePoints, reference: Image, measured: Mask) -> EdgePoints:
    height, width = reference.shape
    rows, columns = np.rint(points.rows).astype(int), np.rint(points.columns).astype(int)
    within = ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)).all(axis=1)
    points = EdgePoints(points.rows[within], points.columns[within])
    rows, columns = rows[within], columns[within]
    clear = measured[rows, columns].all(axis=1) if rows.size else np.zeros(0, bool)
    points = EdgePoints(points.rows[clear], points.columns[clear])
    if not points.rows.size:
        return points
    profiles = ndimage.gaussian_filter1d(points.profiles(reference), 4.0, axis=1)
    third = profiles.shape[1] // 3
    rise = profiles[:, :third].mean(axis=1) - profiles[:, -third:].mean(axis=1)
    steady = np.ptp(profiles[:, -third:], axis=1) < 0.35 * rise
    return EdgePoints(points.rows[steady & (rise > 0)], points.columns[steady & (rise > 0)])
