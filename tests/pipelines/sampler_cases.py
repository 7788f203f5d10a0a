"""Settings, a network of one formula and noise, on which our samplers and those of diffusers must agree."""

from __future__ import annotations

from itertools import product
from math import exp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.chance import START, Chance, normal_batch
from pipelines.sampling.settings import SamplerSettings

SHAPE = (3, 4)
CHANCES = [Chance(seed=11, sample=0, slice_index=index, whole=SHAPE, origin=(0, 0)) for index in range(2)]


def settings(**values: Any) -> SamplerSettings:
    named = {"NoisyInput": "noisy", "TimeInput": "time", "Steps": 20, **values}
    return SamplerSettings.model_validate(named)


def cases() -> dict[str, SamplerSettings]:
    """By a name that says what differs."""
    found = {}
    for method, spacing, steps in product(
        ("ddpm", "ddim", "dpm-solver++"), ("leading", "linspace", "trailing"), (4, 20)
    ):
        found[f"{method} {spacing} {steps}"] = settings(Method=method, TimestepSpacing=spacing, Steps=steps)
    for method, prediction in product(("ddpm", "ddim", "dpm-solver++"), ("sample", "v_prediction")):
        found[f"{method} {prediction}"] = settings(Method=method, Prediction=prediction)
    for schedule in ("scaled_linear", "squaredcos_cap_v2"):
        found[f"ddim {schedule}"] = settings(Method="ddim", BetaSchedule=schedule)
        found[f"dpm-solver++ {schedule}"] = settings(Method="dpm-solver++", BetaSchedule=schedule)
    for method, spacing in product(("ddpm", "ddim", "dpm-solver++"), ("leading", "trailing")):
        name = f"{method} {spacing} 7 of 50"
        found[name] = settings(Method=method, TimestepSpacing=spacing, Steps=7, TrainingSteps=50)
    found["ddim eta"] = settings(Method="ddim", Eta=0.7)
    found["ddpm all steps"] = settings(Method="ddpm", Steps=200, TrainingSteps=200)
    for method in ("ddpm", "ddim"):
        found[f"{method} clipped"] = settings(Method=method, ClipSample=[-1, 1])
    for shift, steps in product((1.0, 3.0), (1, 7)):
        name = f"rectified-flow shift {shift:g} steps {steps}"
        found[name] = settings(Method="rectified-flow", Shift=shift, Steps=steps)
    return found


def start() -> NDArray[np.float32]:
    return noise(START)


def noise(step: int) -> NDArray[np.float32]:
    """(2, 1, rows, columns)."""
    return normal_batch(CHANCES, step, 1, SHAPE)


def answer(chosen: SamplerSettings, x: Any, time: float) -> Any:
    """Near what a network trained on images of unit variance would say; numpy and torch alike."""
    share = time / chosen.training_steps
    kept = exp(-0.1 * share - 9.95 * share**2)
    bend = 0.05 * x / (1.0 + x * x)
    if chosen.method == "rectified-flow":
        return 0.3 * x + bend
    if chosen.prediction == "epsilon":
        return 0.95 * sqrt(1.0 - kept) * x + bend
    return 0.95 * sqrt(kept) * x + bend if chosen.prediction == "sample" else 0.1 * x + bend
