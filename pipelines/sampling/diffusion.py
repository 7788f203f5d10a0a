"""Conditional diffusion, in pixels or in the latents of an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.binding import Resident
from pipelines.model_file import ModelFile
from pipelines.network import Model, Tensor, of_shape
from pipelines.sampling.chance import START, Chance, normal_batch
from pipelines.sampling.samplers import SAMPLERS, Predict
from pipelines.sampling.settings import SamplerSettings
from pipelines.vae import Autoencoder


@dataclass(frozen=True)
class DiffusionNetwork:
    """From noise to the image that belongs to a condition.

    Latent diffusion (Rombach et al. 2021, arXiv 2112.10752) encodes the condition, samples latents of as many
    channels as the denoiser's noisy input has, and decodes them.
    """

    model: Model
    names: ModelFile
    settings: SamplerSettings
    autoencoder: Autoencoder | None = None

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Tensor:
        condition, downscale = batch, 1
        if self.autoencoder is not None:
            condition, downscale = self.autoencoder.encode(batch), self.autoencoder.downscale
        channels = self.model.inputs[self.settings.noisy_input].channels or 1
        space = condition.shape[2:]

        def draw(step: int) -> Tensor:
            return normal_batch(chances, step, channels, space, downscale)

        sample = SAMPLERS[self.settings.method]
        image = sample(self.settings, self._predict(condition), draw(START), draw)
        return image if self.autoencoder is None else self.autoencoder.decode(image)

    def _predict(self, condition: Tensor) -> Predict:
        """The network's answer, guided away from the null condition where the manifest says so.

        Classifier-free guidance: Ho and Salimans 2022, arXiv 2207.12598.
        """
        guidance = np.float32(self.settings.guidance)
        given = self.model.resident(condition)
        if guidance == 1.0:
            return lambda noisy, time: self._run(noisy, time, given)
        nothing = self.model.resident(np.full_like(condition, self.settings.null_condition))

        def guided(noisy: Tensor, time: float) -> Tensor:
            without = self._run(noisy, time, nothing)
            return without + guidance * (self._run(noisy, time, given) - without)

        return guided

    def _run(self, noisy: Tensor, time: float, condition: Resident) -> Tensor:
        times = np.full(len(noisy), time, self.model.inputs[self.settings.time_input].dtype)
        tensors = {
            self.names.input: condition,
            self.settings.noisy_input: noisy,
            self.settings.time_input: times,
        }
        return of_shape(self.model.run(self.names.output, tensors), noisy.shape, self.model)
