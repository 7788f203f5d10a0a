"""Writes sampler_reference.json: the results of diffusers' schedulers on the cases of sampler_cases.py.

Run from the project's root, in an environment with torch and diffusers beside the project's own
dependencies: python -m tests.pipelines.make_sampler_reference
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.schedulers import scheduling_ddpm

from pipelines.sampling.settings import SamplerSettings
from tests.pipelines.sampler_cases import answer, cases, noise, start

REFERENCE = Path(__file__).with_name("sampler_reference.json")


def scheduler(chosen: SamplerSettings) -> Any:
    if chosen.method == "rectified-flow":
        return diffusers.FlowMatchEulerDiscreteScheduler(chosen.training_steps, shift=chosen.shift)
    shared = {
        "num_train_timesteps": chosen.training_steps,
        "beta_start": chosen.beta_start,
        "beta_end": chosen.beta_end,
        "beta_schedule": chosen.beta_schedule,
        "prediction_type": chosen.prediction,
        "timestep_spacing": chosen.timestep_spacing,
    }
    if chosen.method == "dpm-solver++":
        return diffusers.DPMSolverMultistepScheduler(**shared)
    kind = {"ddpm": diffusers.DDPMScheduler, "ddim": diffusers.DDIMScheduler}[chosen.method]
    return kind(**shared, clip_sample=chosen.clip_sample is not None)


def result(chosen: SamplerSettings) -> Any:
    """The loop as a diffusers pipeline has it, with our noise in the place of torch's."""
    stepper = scheduler(chosen)
    stepper.set_timesteps(chosen.steps)
    x = torch.from_numpy(start())
    for step, time in enumerate(stepper.timesteps, start=1):
        fresh = torch.from_numpy(noise(step))
        scheduling_ddpm.randn_tensor = lambda *_, fresh=fresh, **__: fresh
        further = {"eta": chosen.eta, "variance_noise": fresh} if chosen.method == "ddim" else {}
        x = stepper.step(answer(chosen, x, float(time)), time, x, **further).prev_sample
    return x.flatten().tolist()


def main() -> None:
    found = {name: result(chosen) for name, chosen in cases().items()}
    REFERENCE.write_text(json.dumps({"diffusers": diffusers.__version__, "results": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
