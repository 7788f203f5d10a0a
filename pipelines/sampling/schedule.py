"""Noise schedules and the times at which a sampler calls the network.

The arithmetic is that of the schedulers of diffusers 0.42, to which the tests hold it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.settings import SamplerSettings

Numbers = NDArray[np.float64]


def alpha_bar(settings: SamplerSettings) -> NDArray[np.float32]:
    """Share of the image's variance left after each training step, (TrainingSteps,).

    In single precision, as where the models are trained: the rounding near the clean end
    (one minus a number close to one) is part of the schedule a network has learnt.
    """
    kept: NDArray[np.float32] = np.cumprod(np.float32(1) - _betas(settings).astype(np.float32))
    return kept


def _betas(settings: SamplerSettings) -> Numbers:
    steps, start, end = settings.training_steps, settings.beta_start, settings.beta_end
    if settings.beta_schedule == "squaredcos_cap_v2":
        return _cosine_betas(steps)
    if settings.beta_schedule == "scaled_linear":
        return np.linspace(start**0.5, end**0.5, steps) ** 2
    return np.linspace(start, end, steps)


def training_times(settings: SamplerSettings) -> NDArray[np.int64]:
    """The training steps at which DDPM and DDIM call the network, falling, (Steps,)."""
    total, steps = settings.training_steps, settings.steps
    if settings.timestep_spacing == "linspace":
        return _whole(np.linspace(0, total - 1, steps)[::-1])
    if settings.timestep_spacing == "trailing":
        return _whole(np.arange(total, 0, -total / steps)) - 1
    return np.arange(steps)[::-1] * (total // steps)


def solver_times(settings: SamplerSettings) -> NDArray[np.int64]:
    """The same for DPM-Solver++, which never calls the network at the clean end."""
    total, steps = settings.training_steps, settings.steps
    if settings.timestep_spacing == "linspace":
        return _whole(np.linspace(0, total - 1, steps + 1)[:0:-1])
    if settings.timestep_spacing == "trailing":
        return _whole(np.arange(total, 0, -total / steps)) - 1
    return np.arange(steps, 0, -1) * (total // (steps + 1))


def _whole(times: Numbers) -> NDArray[np.int64]:
    return np.round(times).astype(np.int64)


def solver_sigmas(settings: SamplerSettings, times: NDArray[np.int64]) -> Numbers:
    """Noise to image ratio at each of `times`, then 0, (Steps + 1,)."""
    kept = alpha_bar(settings).astype(np.float64)
    sigmas = np.interp(times, np.arange(len(kept)), np.sqrt((1.0 - kept) / kept))
    return np.append(sigmas, 0.0)


def flow_sigmas(settings: SamplerSettings) -> Numbers:
    """Share of noise at each step of a rectified flow, falling from 1, then 0, (Steps + 1,)."""
    first, last = (_shifted(sigma, settings.shift) for sigma in (1.0, 1.0 / settings.training_steps))
    evenly = np.linspace(first, last, settings.steps)
    return np.append([_shifted(sigma, settings.shift) for sigma in evenly], 0.0)


def _shifted(sigma: float, shift: float) -> float:
    return shift * sigma / (1.0 + (shift - 1.0) * sigma)


def _cosine_betas(steps: int) -> Numbers:
    def left(share: Numbers) -> Numbers:
        return np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2

    place = np.arange(steps)
    return np.minimum(1.0 - left((place + 1) / steps) / left(place / steps), 0.999)
