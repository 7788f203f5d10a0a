"""ONNX files as a manifest names them: by digest, with their tensors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.manifest_part import FileName, ManifestPart

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelFile(ManifestPart):
    """One ONNX file with one input tensor of images and one output tensor."""

    file: FileName
    sha256: Sha256
    input: str
    """(batch, channels, rows, columns), or with slices before rows in a 3D pipeline; float32."""
    output: str
    size_multiple: int = Field(default=1, ge=1, le=256)
    """Every spatial axis handed to the network is padded to a multiple of this."""


class EncoderFile(ManifestPart):
    """The encoder of a VAE: images to the mean, and perhaps the log variance, of their latents."""

    file: FileName
    sha256: Sha256
    input: str
    mean: str
    log_variance: str | None = None
    downscale: int = Field(default=1, ge=1, le=64)
    """Pixels of the image per latent, along each spatial axis; the size multiple must be a multiple of it."""
    latent_scale: float = Field(default=1.0, gt=0)
    """Latents are multiplied by this after encoding and divided by it before decoding."""
