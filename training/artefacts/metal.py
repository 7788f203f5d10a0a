"""Metal drawn into a slice.

CT: a rod, with the streaks that the error in its shadow gives when it is filtered and back-projected.
MR: a void of irregular shape with signal piled up at a part of its rim.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Values = NDArray[np.float32]

VIEWS = 72
BODY_HU, BODY_SIGNAL = -300.0, 0.15
METAL_HU = (1800.0, 3071.0)


def metal_ct(source: Values, radius: float, strength: float, chance: np.random.Generator) -> Values:
    """(rows, columns) in HU with a rod of that radius in pixels and streaks about `strength` HU strong."""
    place = inside(source > BODY_HU, chance)
    rows, columns = offsets(source.shape, place)
    away = np.hypot(rows, columns)
    body = ndimage.gaussian_filter((source > -700).astype(np.float32), 1)
    changed = source + np.float32(strength) * streaks(rows, columns, radius, chance) * body
    rod = np.clip(radius - away + 0.5, 0, 1) * (chance.uniform() < 0.8)
    return np.clip(changed * (1 - rod) + chance.uniform(*METAL_HU) * rod, -1024, 3071).astype(np.float32)


def streaks(rows: Values, columns: Values, radius: float, chance: np.random.Generator) -> Values:
    """What a wrong shadow leaves: `rows`, `columns` count from the rod; about 1 in size near it.

    The error of each view is a smooth part (beam hardening: two dark fans) and one of its own (starved rays).
    """
    angles = np.pi * (np.arange(VIEWS) + chance.uniform()) / VIEWS
    fans = np.cos(2 * (angles - chance.uniform(0, np.pi)))
    errors = chance.uniform(0, 1) * fans + chance.uniform(0.1, 1) * chance.normal(size=VIEWS)
    along = np.arange(-512, 512)
    shadow = np.sqrt(np.maximum(radius**2 - along**2.0, 0)) + (along == 0)
    filtered = np.fft.ifft(np.fft.fft(shadow) * np.abs(np.fft.fftfreq(along.size))).real
    filtered /= np.abs(filtered).max()
    found = np.zeros(np.broadcast_shapes(rows.shape, columns.shape), np.float32)
    for angle, error in zip(angles, errors, strict=True):
        where = (np.cos(angle) * columns + np.sin(angle) * rows + 512).astype(np.intp)
        found += (error * filtered).astype(np.float32)[np.clip(where, 0, 1023)]
    near = np.hypot(rows, columns)
    ring = (near > 1.5 * radius + 2) & (near < 1.5 * radius + 14)
    return found / max(float(found[ring].std()), 1e-6) if ring.any() else found


def metal_mr(source: Values, radius: float, chance: np.random.Generator) -> Values:
    """(rows, columns) of magnitudes with a void of about that radius in pixels."""
    bright = float(np.percentile(source, 99))
    place = inside(source > BODY_SIGNAL * bright, chance)
    rows, columns = offsets(source.shape, place)
    turn = np.arctan2(rows, columns)
    lobes = sum(
        chance.normal(0, 0.12) * np.cos(order * turn + chance.uniform(0, 7)) for order in (1, 2, 3, 4)
    )
    away = np.hypot(rows, columns * chance.uniform(0.8, 1.25)) / (radius * (1 + lobes))
    soft = 1.5 / radius
    void = np.clip((1 - away) / soft + 0.5, 0, 1)
    width = chance.uniform(0.08, 0.35)
    part = 1.0 if chance.uniform() < 0.4 else np.clip(np.cos(turn - chance.uniform(0, 7)) + 0.3, 0, 1)
    rim = np.clip((1 + width - away) / soft + 0.5, 0, 1) * (1 - void) * part
    tissue = ndimage.gaussian_filter((source > 0.1 * bright).astype(np.float32), 1)
    piled = chance.uniform(0.5, 1.6) * bright * rim * tissue
    return np.maximum(source * (1 - void) * (1 - rim * tissue) + piled, 0).astype(np.float32)


def offsets(shape: tuple[int, ...], place: tuple[int, int]) -> tuple[Values, Values]:
    """Rows (rows, 1) and columns (1, columns) from a place."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - place[0]).astype(np.float32), (columns - place[1]).astype(np.float32)


def inside(body: NDArray[np.bool_], chance: np.random.Generator) -> tuple[int, int]:
    """Row and column of some place in it; the middle if there is none."""
    places = np.argwhere(body[::4, ::4])
    if not len(places):
        return body.shape[0] // 2, body.shape[1] // 2
    row, column = 4 * places[int(chance.integers(len(places)))]
    return int(row), int(column)
