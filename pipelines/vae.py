"""Variational autoencoders: Kingma and Welling 2013, arXiv 1312.6114."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.model_file import EncoderFile, ModelFile
from pipelines.network import Model, Tensor, of_shape
from pipelines.sampling.chance import START, Chance, normal_batch


@dataclass(frozen=True)
class Autoencoder:
    """Images to latents and back, as two models."""

    encoder: Model
    encoder_names: EncoderFile
    decoder: Model
    decoder_names: ModelFile

    @property
    def downscale(self) -> int:
        return self.encoder_names.downscale

    def encode(self, batch: Tensor) -> Tensor:
        """The mean of the latents of (batch, channels, *space): (batch, latents, *space / downscale)."""
        names = self.encoder_names
        mean = self.encoder.run(names.mean, {names.input: batch})
        return self._scaled(of_shape(mean, self._latent_shape(mean, batch), self.encoder))

    def deviation(self, batch: Tensor) -> Tensor:
        """The standard deviation of the latents; 0 where the encoder gives no variance."""
        names = self.encoder_names
        if names.log_variance is None:
            return np.zeros((), np.float32)
        log_variance = self.encoder.run(names.log_variance, {names.input: batch})
        return self._scaled(np.exp(np.float32(0.5) * log_variance))

    def decode(self, latents: Tensor) -> Tensor:
        """(batch, 1, *space)."""
        names = self.decoder_names
        space = tuple(length * self.downscale for length in latents.shape[2:])
        plain = latents / np.float32(self.encoder_names.latent_scale)
        output = self.decoder.run(names.output, {names.input: plain})
        return of_shape(output, (len(latents), 1, *space), self.decoder)

    def _scaled(self, latents: Tensor) -> Tensor:
        return latents * np.float32(self.encoder_names.latent_scale)

    def _latent_shape(self, mean: Tensor, batch: Tensor) -> tuple[int, ...]:
        return (len(batch), mean.shape[1], *(length // self.downscale for length in batch.shape[2:]))


@dataclass(frozen=True)
class VaeNetwork:
    """Encode, stray from the mean by `temperature` standard deviations, decode."""

    autoencoder: Autoencoder
    temperature: float = 0.0

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Tensor:
        latents = self.autoencoder.encode(batch)
        if self.temperature:
            shape = latents.shape[2:]
            noise = normal_batch(chances, START, latents.shape[1], shape, self.autoencoder.downscale)
            latents = latents + np.float32(self.temperature) * self.autoencoder.deviation(batch) * noise
        return self.autoencoder.decode(latents)
