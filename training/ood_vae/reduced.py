"""A reduced training of the VAE on the bundled studies: ``python -m training.ood_vae.reduced OUT``.

Writes OUT/model.onnx and OUT/log.json; exits 1 unless the loss fell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from dicom_templates.source import read_slice
from pipelines.out_of_distribution.thumbnail import thumbnail
from pipelines.volume import Quantity

from .export import export_onnx
from .images import Slices
from .train import train

DEMO = Path(__file__).parents[2] / "demo"
STEPS, EVERY = 60, 10


def bundled(folder: str, quantity: Quantity) -> Slices:
    paths = sorted((DEMO / folder).glob("*.dcm"))
    images = np.stack([thumbnail(read_slice(path.read_bytes()).values(), quantity) for path in paths])
    return Slices(images, np.array([folder] * len(images)))


def main(output: Path) -> int:
    """0 if the loss fell by a third at least."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    kinds = [bundled("ct_lidc_0314", "hounsfield_units"), bundled("mr_brain_pd", "mr_signal")]
    network, log = train(kinds, minutes=60, steps=STEPS, every=EVERY)
    export_onnx(network, output / "model.onnx")
    (output / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    first, last = log[0]["Training"], log[-1]["Training"]
    print(f"loss {first:.1f} -> {last:.1f} thousand nats in {STEPS} steps")
    return 0 if last < 2 / 3 * first else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
