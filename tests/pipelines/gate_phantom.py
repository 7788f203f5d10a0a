"""A phantom of air, lung, fat, soft tissue and bone, with noise and without, and the gate's word on it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.gate import Gate, Verdict
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.test_manifest import CT_DENOISE

Values = NDArray[np.float32]
SIDE = 192


def clean_phantom() -> Values:
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    values = np.full((SIDE, SIDE), -1000.0, np.float32)
    for radius, hounsfield_units in ((0.48, -100.0), (0.43, 40.0), (0.15, 700.0)):
        values[rows**2 + columns**2 < radius**2] = hounsfield_units
    for centre in (-0.28, 0.28):
        values[rows**2 + (columns - centre) ** 2 < 0.11**2] = -800.0
    for offset in range(-5, 6):
        values[(rows - offset * 0.03) ** 2 + (columns - 0.28) ** 2 < 0.008**2] = 20.0
    return values


def blurred(values: Values, times: int) -> Values:
    for _ in range(times):
        for axis in (0, 1):
            values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / np.float32(4)
    return values


def noisy(values: Values, seed: int, sigma: float = 20.0) -> Values:
    noise = blurred(np.random.default_rng(seed).normal(size=values.shape).astype(np.float32), times=1)
    return values + np.float32(sigma / noise.std()) * noise


def judged(sources: list[Values], results: list[Values], **changes: Any) -> Verdict:
    gate = Gate(Manifest.model_validate(CT_DENOISE | changes))
    for index, (source, result) in enumerate(zip(sources, results, strict=True)):
        gate.observe(SliceResult(SliceValues(index, source), result.astype(np.float32)))
    return gate.verdict()


def disc(row: int, column: int, radius: float) -> Values:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside: Values = ((rows - row) ** 2 + (columns - column) ** 2 < radius**2).astype(np.float32)
    return inside


CLEAN = clean_phantom()
NOISY = [noisy(CLEAN, seed) for seed in range(3)]
SHARP = [(0.2 * source + 0.8 * CLEAN).astype(np.float32) for source in NOISY]


def mr_manifest(**changes: Any) -> dict[str, Any]:
    inputs = [CT_DENOISE["Inputs"][0] | {"Modality": "MR", "Quantity": "mr_signal"}]
    return {"Inputs": inputs, **changes}


def unlike(seed: int) -> Values:
    """Another slice of a body: the phantom with things of its own."""
    chance = np.random.default_rng(seed)
    shown = clean_phantom()
    for row, column in chance.integers(40, SIDE - 40, (12, 2)):
        shown += chance.uniform(-60, 60) * disc(row, column, 9)
    return shown


BODIES = [unlike(seed) for seed in range(5)]
SOURCES = [noisy(body, seed) for seed, body in enumerate(BODIES)]
RESULTS = [
    (0.2 * source + 0.8 * body).astype(np.float32) for source, body in zip(SOURCES, BODIES, strict=True)
]
