"""Export the VAE of the gate, with what is usual for each modality.

Run ``python -m training.ood_vae.export --shared ../shared/data --work RUN``.

Writes model.onnx and usual.json (mean and inverse covariance of the latent over varied training slices, and
what held-out patients reach) into pipelines/out_of_distribution, and copies the training log beside them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.out_of_distribution.score import OddityModel, features
from training.onnx_export import BATCH, write_onnx

from .images import Slices, ct_slices, mr_slices, varied
from .network import LATENT, SMALLEST, Vae

TARGET = Path("pipelines/out_of_distribution")
VARIANTS = 4
SHRINKAGE = 0.05
"""Of the covariance towards a multiple of the unit matrix."""


def export_onnx(network: Vae, path: Path) -> str:
    """One file, the batch is dynamic; its SHA-256."""
    image = torch.zeros(1, 2, SMALLEST * 32, SMALLEST * 32)
    return write_onnx(network, [image], {"images": BATCH}, {"latent": BATCH, "reconstruction": BATCH}, path)


def usual(network: Vae, slices: Slices) -> dict[str, Any]:
    """Mean and inverse covariance of the latent over varied training slices."""
    chance = torch.Generator().manual_seed(1)
    images = torch.from_numpy(slices.of(held=False))
    with torch.no_grad():
        latents = [network(images)[0], *(network(varied(images, chance))[0] for _ in range(VARIANTS))]
    found = torch.cat(latents).numpy().astype(np.float64)
    covariance = np.cov(found.T)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / LATENT * np.eye(LATENT)
    inverse = np.linalg.inv(covariance)
    return {"Mean": np.round(found.mean(0), 5).tolist(), "Precision": np.round(inverse, 6).tolist()}


def largest(model: OddityModel, images: NDArray[np.float32], modality: str) -> dict[str, float]:
    """What each feature reaches in 98 of 100 slices of held-out patients."""
    found = [features(model.oddity(image, modality)) for image in images]
    return {name: round(float(np.percentile([each[name] for each in found], 98)), 5) for name in found[0]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    network = Vae()
    network.load_state_dict(torch.load(options.work / "checkpoint.pt", weights_only=True))
    digest = export_onnx(network, TARGET / "model.onnx")
    kinds = {"CT": ct_slices(options.shared / "ct_train"), "MR": mr_slices(options.shared / "mr_train")}
    found: dict[str, dict[str, Any]] = {
        name: {**usual(network, slices), "Largest": {}} for name, slices in kinds.items()
    }
    document: dict[str, object] = {"Sha256": digest, "Modalities": found}
    write(document)
    for name, slices in kinds.items():
        found[name]["Largest"] = largest(OddityModel.load(TARGET), slices.of(held=True), name)
        print(name, found[name]["Largest"])
    write(document)
    (TARGET / "log.json").write_text((options.work / "log.json").read_text())


def write(document: dict[str, object]) -> None:
    (TARGET / "usual.json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
