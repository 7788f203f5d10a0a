"""How a diffusion pipeline samples, as its manifest says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipelines.manifest_part import Bounds, ManifestPart


class SamplerSettings(ManifestPart):
    """Names and values as in the diffusers library, so that a trained model's own settings can be copied."""

    method: Literal["ddpm", "ddim", "dpm-solver++", "rectified-flow"]
    steps: int = Field(ge=1, le=1000)
    noisy_input: str
    """Tensor of the noisy image, of the output's shape; Model.Input is the condition."""
    time_input: str
    """Tensor of one time per image, (batch,): a training step, or for rectified flow that times sigma."""
    training_steps: int = Field(default=1000, ge=1)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    beta_start: float = Field(default=1e-4, gt=0, lt=1)
    beta_end: float = Field(default=0.02, gt=0, lt=1)
    prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "linspace", "trailing"] = "leading"
    clip_sample: Bounds | None = None
    """Limits of the clean image predicted at each step (DDPM, DDIM)."""
    eta: float = Field(default=0.0, ge=0, le=1)
    """DDIM: 0 adds no noise on the way, 1 as much as DDPM."""
    shift: float = Field(default=1.0, gt=0)
    """Rectified flow: above 1 spends more of the steps near pure noise."""
    guidance: float = Field(default=1.0, ge=0)
    """Classifier-free guidance: 1 is none; else the model also runs on the null condition."""
    null_condition: float = 0.0
    """The value that fills the condition where the model was trained to do without it."""

    @model_validator(mode="after")
    def _steps_fit(self) -> SamplerSettings:
        if self.steps > self.training_steps:
            raise ValueError(f"Steps {self.steps} is more than TrainingSteps {self.training_steps}")
        return self
