"""The model on a real noisy series: is noise reduced, is anything else touched?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from .measures import Mask, body_mask, radial_power, tissue_masks
from .projection import FloatArray
from .slices import local_deviation, noise_level, read_series, soft_tissue_mask


def _correlation(a: FloatArray, b: FloatArray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _fine(volume: FloatArray) -> FloatArray:
    """Each slice less its smooth part: in soft tissue mostly noise."""
    return np.stack([s - ndimage.gaussian_filter(s, 1.5) for s in volume])


def _between_slices(images: FloatArray, masks: list[Mask], lag: int) -> float:
    """Mean correlation of slices `lag` apart, where both masks hold."""
    found = []
    for i in range(0, len(images) - lag, 5):
        both = masks[i] & masks[i + lag]
        found.append(_correlation(images[i][both], images[i + lag][both]))
    return float(np.mean(found))


def demo_figures(folder: Path, denoise: Callable[[FloatArray], FloatArray]) -> dict[str, object]:
    """Noise before and after, mean shifts, and what the removed part has in common with anatomy."""
    volume, spacing = read_series(folder)
    output = np.stack([denoise(image) for image in volume])
    removed = volume - output
    bodies = [body_mask(s) for s in volume]
    every = range(0, len(volume), 5)
    before = [noise_level(volume[i], spacing) for i in every]
    after = [
        float(
            np.median(local_deviation(output[i], 11)[soft_tissue_mask(volume[i])])
            / np.median(local_deviation(volume[i], 11)[soft_tissue_mask(volume[i])])
        )
        for i in every
    ]
    shifts: dict[str, list[float]] = {}
    for i in every:
        for name, mask in tissue_masks(volume[i], bodies[i]).items():
            if mask.sum() >= 300:
                shifts.setdefault(name, []).append(float(-removed[i][mask].mean()))
    inside = np.stack(bodies)
    gradient = np.stack([ndimage.gaussian_gradient_magnitude(s, 2.0) for s in output])
    flat, steep = inside & (gradient < 10), inside & (gradient > np.percentile(gradient[inside], 97))
    between = {lag: _between_slices(removed, bodies, lag) for lag in (1, 3)}
    texture = {
        lag: _between_slices(_fine(volume), [soft_tissue_mask(s) for s in volume], lag) for lag in (1, 3)
    }
    return {
        "Slices": len(volume),
        "NoiseBeforeHu": _round(np.mean(before)),
        "LocalDeviationRatio": _round(np.mean(after), 3),
        "MeanShiftHu": {
            k: {"Mean": _round(np.mean(v), 3), "WorstSlice": _round(max(v, key=abs), 3)}
            for k, v in shifts.items()
        },
        "WholeBodyMeanShiftHu": _round(float(-removed[inside].mean()), 4),
        "RemovedDeviationFlatHu": _round(float(removed[flat].std())),
        "RemovedDeviationSteepestEdgesHu": _round(float(removed[steep].std())),
        "RemovedCorrelationWithOutput": _round(_correlation(removed[inside], output[inside]), 4),
        "RemovedCorrelationNextSlice": _round(between[1], 4),
        "RemovedCorrelationThirdSlice": _round(between[3], 4),
        "InputNoiseCorrelationNextSlice": _round(texture[1], 4),
        "InputNoiseCorrelationThirdSlice": _round(texture[3], 4),
        "NoisePower": _noise_power(volume, output, spacing),
    }


def _noise_power(volume: FloatArray, output: FloatArray, spacing: float) -> dict[str, object]:
    """Radial noise power of the flattest soft-tissue squares, before and after."""
    width, before, after = 32, [], []
    for noisy, clean in zip(volume[::5], output[::5], strict=True):
        spread = local_deviation(ndimage.gaussian_filter(noisy, 2.0), width)
        spread[~ndimage.binary_erosion(soft_tissue_mask(noisy), iterations=6)] = np.inf
        row, column = np.unravel_index(int(np.argmin(spread)), spread.shape)
        cut = np.s_[row - width // 2 : row + width // 2, column - width // 2 : column + width // 2]
        if np.isfinite(spread.min()) and noisy[cut].shape == (width, width):
            before.append(noisy[cut])
            after.append(clean[cut])
    frequency, first = radial_power(before, spacing)
    _, second = radial_power(after, spacing)
    return {
        "FrequencyPerMm": frequency.round(4).tolist(),
        "Before": first.round(2).tolist(),
        "After": second.round(2).tolist(),
        "SquaresDeviationBeforeHu": _round(np.mean([b.std() for b in before])),
        "SquaresDeviationAfterHu": _round(np.mean([a.std() for a in after])),
    }


def _round(value: float | np.floating, digits: int = 2) -> float:
    return round(float(value), digits)
