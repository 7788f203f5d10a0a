"""Twelve kinds of faults planted in a study at three strengths: eight in the result, four in the source.

Every function takes a study, its pipeline, a strength and a source of chance, and gives what the gate would
see. What is wrong in a source is planted before the pipeline runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Values = NDArray[np.float32]
Slices = list[Values]
STRENGTHS = ("weak", "medium", "strong")
SOFT_TISSUE_HU = (-60.0, 140.0)


@dataclass(frozen=True)
class Study:
    """A few slices of one patient, in order along the normal, as a pipeline is given them."""

    name: str
    sources: Slices
    modality: str
    spacing_mm: float
    body_part: str = ""
    """What its header says; empty where that is not known."""

    @property
    def contrast_unit(self) -> float:
        """What contrasts are given in: one HU, or a hundredth of the bright signal."""
        if self.modality == "CT":
            return 1.0
        return float(np.percentile(np.stack(self.sources), 99)) / 100


Denoise = Callable[[Slices], Slices]
Seen = tuple[Slices, Slices]
"""Sources and results, as the gate sees them."""
Fault = Callable[[Study, Denoise, int, np.random.Generator], Seen]
"""Of a study, its pipeline, a strength (0 weak to 2 strong) and a source of chance."""


def lesion_erased(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """The source has a lesion that the pipeline leaves out: 25 HU of 8 mm to 80 HU of 12 mm."""
    results, place = denoise(study.sources), spot(study, rng)
    sources = list(study.sources)
    sources[place[0]] = sources[place[0]] + lesion(study, place, strength)
    return sources, results


def lesion_painted_in(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """The same lesions, in the result only."""
    results, place = denoise(study.sources), spot(study, rng)
    results[place[0]] = results[place[0]] + lesion(study, place, strength)
    return study.sources, results


def vessel_cut(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """A bright thin structure of the result is replaced by what surrounds it, over 6, 10 or 14 mm."""
    results, index = denoise(study.sources), int(rng.integers(len(study.sources)))
    result, reach = results[index], max(round(4 / study.spacing_mm), 2)
    without = ndimage.gaussian_filter(ndimage.grey_opening(result, 2 * reach + 1), 1)
    thin = ndimage.gaussian_filter(np.where(body(study, index), result - without, 0), 1)
    ranked = np.argsort(thin, axis=None)[::-1][: max(thin.size // 500, 40)]
    row, column = np.unravel_index(ranked[int(rng.integers(len(ranked)))], thin.shape)
    share = disc(result.shape, (int(row), int(column)), (6, 10, 14)[strength] / study.spacing_mm / 2)
    results[index] = result + share * np.minimum(without - result, 0)
    return study.sources, results


def blur(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """The whole result, by a Gaussian of 0.7, 1.2 or 2 pixels."""
    sigma = (0.7, 1.2, 2.0)[strength]
    return study.sources, [ndimage.gaussian_filter(result, sigma) for result in denoise(study.sources)]


def value_shift(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """5, 12 or 30 HU, or 4, 8 or 20 % of the signal, everywhere in the body."""
    if study.modality == "CT":
        shift = (5.0, 12.0, 30.0)[strength] * rng.choice((-1, 1))
        change: Callable[[Values], Values] = lambda result: result + np.float32(shift)  # noqa: E731
    else:
        factor = 1 + (0.04, 0.08, 0.20)[strength] * rng.choice((-1, 1))
        change = lambda result: result * np.float32(factor)  # noqa: E731
    results = denoise(study.sources)
    return study.sources, [
        np.where(body(study, index), change(result), result) for index, result in enumerate(results)
    ]


def slices_swapped(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """Two results in each other's place: neighbours, next but one, or as far apart as the study is long."""
    results = denoise(study.sources)
    apart = min((1, 2, len(results) - 1)[strength], len(results) - 1)
    first = int(rng.integers(len(results) - apart))
    results[first], results[first + apart] = results[first + apart], results[first]
    return study.sources, results


def left_right_flip(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """One slice, half of them, or all."""
    some = chosen(study, strength, rng)
    return study.sources, [
        result[:, ::-1] if index in some else result for index, result in enumerate(denoise(study.sources))
    ]


def contrast_inverted(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """Soft tissue (MR: the brighter half) in one slice or in all; strong: every value of every slice."""
    some = chosen(study, 0 if strength == 0 else 2, rng)
    if study.modality == "CT":
        low, high = SOFT_TISSUE_HU if strength < 2 else (-1000.0, 300.0)
    else:
        peak = 100 * study.contrast_unit
        low, high = (0.4 * peak, peak) if strength < 2 else (0.0, peak)
    return study.sources, [
        np.where((result > low) & (result < high), low + high - result, result) if index in some else result
        for index, result in enumerate(denoise(study.sources))
    ]


def motion(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """The patient moves by 1.5, 3 or 6 mm during the scan: parts of the Fourier plane belong to a moved body.

    CT: sectors of angles (the central slice theorem of parallel beams); MR: bands of phase encoding lines.
    """
    pixels = (1.5, 3.0, 6.0)[strength] / study.spacing_mm
    sources = [_moved(source, pixels, study.modality, rng) for source in study.sources]
    return sources, denoise(sources)


def metal(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
    """CT: a rod of 5, 10 or 20 mm with streaks; MR: a void of 8, 16 or 30 mm with a bright rim."""
    place = spot(study, rng)
    plant = _streaks if study.modality == "CT" else _void
    millimetres = ((5.0, 10.0, 20.0) if study.modality == "CT" else (8.0, 16.0, 30.0))[strength]
    sources = plant(study, place[1:], millimetres / study.spacing_mm / 2)
    return sources, denoise(sources)


def replaced_by(others: list[Slices]) -> Fault:
    """The sources, or some of them, are slices of something else: one, half of them, or all."""

    def fault(study: Study, denoise: Denoise, strength: int, rng: np.random.Generator) -> Seen:
        some, other = chosen(study, strength, rng), others[int(rng.integers(len(others)))]
        start = int(rng.integers(len(other)))
        sources = [
            fitted(other[(start + index) % len(other)], source.shape, study.modality)
            if index in some
            else source
            for index, source in enumerate(study.sources)
        ]
        return sources, denoise(sources)

    return fault


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "lesion erased": lesion_erased,
        "lesion painted in": lesion_painted_in,
        "vessel cut": vessel_cut,
        "blur": blur,
        "value shift": value_shift,
        "slices swapped": slices_swapped,
        "left-right flip": left_right_flip,
        "contrast inverted": contrast_inverted,
        "motion": motion,
        "metal": metal,
    }
)
"""`wrong body part` and `wrong modality` come beside them, from `replaced_by`."""


def body(study: Study, index: int) -> NDArray[np.bool_]:
    """Where there is tissue, lungs included in CT only where they are closed in."""
    smooth = ndimage.gaussian_filter(study.sources[index], 2)
    solid = smooth > (-400 if study.modality == "CT" else 12 * study.contrast_unit)
    return np.asarray(ndimage.binary_fill_holes(solid), np.bool_)


def spot(study: Study, rng: np.random.Generator) -> tuple[int, int, int]:
    """Slice, row and column in flat tissue well inside the body."""
    index = int(rng.integers(len(study.sources)))
    smooth = ndimage.gaussian_filter(study.sources[index], 3)
    inside = ndimage.binary_erosion(body(study, index), iterations=round(12 / study.spacing_mm))
    low, high = (-20, 100) if study.modality == "CT" else (30 * study.contrast_unit, 1e9)
    slope = ndimage.gaussian_gradient_magnitude(study.sources[index], 4)
    flat = inside & (smooth > low) & (smooth < high)
    if not flat.any():
        flat = inside if inside.any() else np.ones_like(inside)
    flat &= slope <= np.percentile(slope[flat], 30)
    places = np.argwhere(flat)
    row, column = places[int(rng.integers(len(places)))]
    return index, int(row), int(column)


def lesion(study: Study, place: tuple[int, int, int], strength: int) -> Values:
    """25, 50 or 80 HU (MR: 12, 25 or 40 % of the bright signal) of 8, 10 or 12 mm, with a soft rim."""
    contrast = (25, 50, 80) if study.modality == "CT" else (12, 25, 40)
    radius = (8, 10, 12)[strength] / study.spacing_mm / 2
    share = disc(study.sources[place[0]].shape, place[1:], radius)
    planted: Values = share * np.float32(contrast[strength] * study.contrast_unit)
    return planted


def disc(shape: tuple[int, ...], centre: tuple[int, ...], radius: float) -> Values:
    """1 inside, 0 outside, over two pixels in between."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    away = np.hypot(rows - centre[0], columns - centre[1])
    inside: Values = np.clip((radius - away) / 2 + 0.5, 0, 1).astype(np.float32)
    return inside


def chosen(study: Study, strength: int, rng: np.random.Generator) -> set[int]:
    """One slice, half of them, or all."""
    count = len(study.sources)
    some = (1, (count + 1) // 2, count)[strength]
    return {int(index) for index in rng.permutation(count)[:some]}


def fitted(other: Values, shape: tuple[int, ...], modality: str) -> Values:
    """`other` in the middle of a slice of that shape, cut or filled with background."""
    zoomed = ndimage.zoom(other, max(shape) / max(other.shape), order=1)
    filled = np.full(shape, -1000 if modality == "CT" else 0, np.float32)
    rows, columns = (min(one, two) for one, two in zip(shape, zoomed.shape, strict=True))
    there = [(full - part) // 2 for full, part in zip(shape, (rows, columns), strict=True)]
    here = [(full - part) // 2 for full, part in zip(zoomed.shape, (rows, columns), strict=True)]
    filled[there[0] : there[0] + rows, there[1] : there[1] + columns] = zoomed[
        here[0] : here[0] + rows, here[1] : here[1] + columns
    ]
    return filled


def _moved(source: Values, pixels: float, modality: str, rng: np.random.Generator) -> Values:
    floor = float(source.min())
    spectrum = np.fft.fft2(source - floor)
    by_row = np.fft.fftfreq(source.shape[0])[:, np.newaxis]
    by_column = np.fft.fftfreq(source.shape[1])[np.newaxis]
    direction = rng.uniform(0, 2 * np.pi)
    if modality == "CT":
        turn = np.mod(np.arctan2(by_row, by_column), np.pi) / np.pi
        course = np.sin(2 * np.pi * (turn + rng.uniform())) * (turn > 0.3)
    else:
        bands = rng.normal(size=16).repeat(-(-source.shape[0] // 16))[: source.shape[0]]
        course = np.fft.ifftshift(bands)[:, np.newaxis] * (np.abs(by_row) > 0.02)
    path = pixels * course * (np.cos(direction) * by_row + np.sin(direction) * by_column)
    moved = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * path))
    there = moved.real if modality == "CT" else np.abs(moved)
    return np.maximum(there + floor, floor).astype(np.float32)


def _streaks(study: Study, place: tuple[int, ...], radius: float) -> Slices:
    """Beam hardening and starved rays behind a rod: the error of the sinogram, back-projected."""
    from skimage.transform import iradon, radon

    first, angles = study.sources[0], np.arange(0, 180, 2.0)
    rod = disc(first.shape, place, radius)
    scale = 160 / max(rod.shape)
    anatomy = ndimage.zoom(np.clip((first + 1000) / 1000, 0, 2.5), scale, order=1)
    through = radon(ndimage.zoom(rod, scale, order=1), angles, circle=False)  # type: ignore[no-untyped-call]
    path = radon(anatomy, angles, circle=False)  # type: ignore[no-untyped-call]
    behind = np.minimum(through / max(float(through.max()), 1e-6), 1)
    starved = np.random.default_rng(0).normal(size=path.shape) * np.sqrt(path)
    lost = -behind * (0.02 * path + 0.2 * starved) * radius
    error = iradon(lost, angles, circle=False, output_size=160)  # type: ignore[no-untyped-call]
    streaks = ndimage.zoom(error, (rod.shape[0] / 160, rod.shape[1] / 160), order=1) * np.float32(
        1000 * scale
    )
    return [
        np.where(rod > 0.5, 3071, np.clip(source + streaks, -1024, 3071)).astype(np.float32)
        for source in study.sources
    ]


def _void(study: Study, place: tuple[int, ...], radius: float) -> Slices:
    shape, unit = study.sources[0].shape, study.contrast_unit
    void, around = disc(shape, place, radius), disc(shape, place, 1.25 * radius)
    rim = np.float32(90 * unit) * (around - void)
    return [source * (1 - void) + rim * (source > 10 * unit) for source in study.sources]
