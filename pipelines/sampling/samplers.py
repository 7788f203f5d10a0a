"""The samplers: each a loop in plain sight from noise to image.

DDPM: Ho et al. 2020, arXiv 2006.11239. DDIM: Song et al. 2020, arXiv 2010.02502. DPM-Solver++(2M): Lu et al.
2022, arXiv 2211.01095, algorithm 2. Rectified flow: Liu et al. 2022, arXiv 2209.03003, Euler steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.schedule import (
    alpha_bar,
    flow_sigmas,
    solver_sigmas,
    solver_times,
    training_times,
)
from pipelines.sampling.settings import SamplerSettings

Images = NDArray[np.float32]
Predict = Callable[[Images, float], Images]
"""The network's answer to noisy images at one time."""
Draw = Callable[[int], Images]
"""Fresh noise of the images' shape for the step of that number, from 1."""
Sampler = Callable[[SamplerSettings, Predict, Images, Draw], Images]


def sample_ddpm(settings: SamplerSettings, predict: Predict, x: Images, draw: Draw) -> Images:
    """Ancestral sampling with the smaller of the two fixed variances."""
    kept, times, one = alpha_bar(settings), training_times(settings), np.float32(1)
    for step, time in enumerate(times, start=1):
        left = kept[time]
        left_before = kept[times[step]] if step < len(times) else one
        step_alpha = left / left_before
        clean, _ = _clean_and_noise(settings, predict(x, time), x, left)
        toward_clean = np.sqrt(left_before) * (one - step_alpha) / (one - left)
        toward_noisy = np.sqrt(step_alpha) * (one - left_before) / (one - left)
        x = toward_clean * clean + toward_noisy * x
        if time > 0:
            variance = (one - left_before) / (one - left) * (one - step_alpha)
            x += np.sqrt(max(variance, np.float32(1e-20))) * draw(step)
    return x


def sample_ddim(settings: SamplerSettings, predict: Predict, x: Images, draw: Draw) -> Images:
    """Deterministic for eta 0; only then may steps be few."""
    kept, stride = alpha_bar(settings), settings.training_steps // settings.steps
    for step, time in enumerate(training_times(settings), start=1):
        left = float(kept[time])
        left_before = float(kept[time - stride]) if time >= stride else 1.0
        clean, noise = _clean_and_noise(settings, predict(x, time), x, left)
        deviation = settings.eta * sqrt((1 - left_before) / (1 - left) * (1 - left / left_before))
        x = _f32(sqrt(left_before)) * clean + _f32(sqrt(1 - left_before - deviation**2)) * noise
        if deviation > 0:
            x += _f32(deviation) * draw(step)
    return x


def sample_dpm_solver(settings: SamplerSettings, predict: Predict, x: Images, draw: Draw) -> Images:
    """Second order, multistep, midpoint form; the first and last step are of first order."""
    times = solver_times(settings)
    sigmas = solver_sigmas(settings, times)
    earlier: tuple[Images, float] | None = None
    for step, time in enumerate(times):
        alpha, sigma = _alpha_sigma(float(sigmas[step]))
        next_alpha, next_sigma = _alpha_sigma(float(sigmas[step + 1]))
        clean, _ = _clean_and_noise(settings, predict(x, time), x, alpha**2)
        if next_sigma == 0.0:
            return clean
        log_ratio = log(alpha / sigma)
        advance = log(next_alpha / next_sigma) - log_ratio
        direction = clean
        if earlier is not None:
            last_clean, last_log_ratio = earlier
            slope = _f32(0.5 * advance / (log_ratio - last_log_ratio))
            direction = clean + slope * (clean - last_clean)
        x = _f32(next_sigma / sigma) * x + _f32(next_alpha * (1 - exp(-advance))) * direction
        earlier = (clean, log_ratio)
    return x


def sample_rectified_flow(settings: SamplerSettings, predict: Predict, x: Images, draw: Draw) -> Images:
    """Euler steps along the velocity the network predicts."""
    sigmas = flow_sigmas(settings)
    for sigma, next_sigma in pairwise(sigmas):
        x = x + _f32(next_sigma - sigma) * predict(x, float(sigma) * settings.training_steps)
    return x


SAMPLERS: Mapping[str, Sampler] = {
    "ddpm": sample_ddpm,
    "ddim": sample_ddim,
    "dpm-solver++": sample_dpm_solver,
    "rectified-flow": sample_rectified_flow,
}


def _clean_and_noise(
    settings: SamplerSettings, answer: Images, x: Images, left: float | np.float32
) -> tuple[Images, Images]:
    """The clean image and the noise that `answer` says `x` is made of; only the clean image is clipped."""
    alpha, sigma = _f32(sqrt(left)), _f32(sqrt(1 - left))
    clean, noise = answer, answer
    if settings.prediction == "epsilon":
        clean = np.divide(x - sigma * answer, alpha)
    elif settings.prediction == "sample":
        noise = np.divide(x - alpha * answer, sigma)
    else:
        clean, noise = alpha * x - sigma * answer, alpha * answer + sigma * x
    if settings.clip_sample is not None:
        clean = np.clip(clean, *settings.clip_sample)
    return clean, noise


def _alpha_sigma(ratio: float) -> tuple[float, float]:
    alpha = 1.0 / sqrt(ratio**2 + 1.0)
    return alpha, ratio * alpha


def _f32(number: float) -> np.float32:
    return np.float32(number)
