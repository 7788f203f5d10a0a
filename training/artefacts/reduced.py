"""A reduced training on the bundled studies: ``python -m training.artefacts.reduced OUT``.

Writes OUT/model.onnx and OUT/log.json; exits 1 unless the loss fell.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from dicom_templates.source import read_slice
from pipelines.artefacts.score import SIDE
from pipelines.out_of_distribution.thumbnail import WIDE_HU, shrunk
from pipelines.volume import Quantity

from .export import export_onnx
from .samples import Slice, drawn
from .train import train

DEMO = Path(__file__).parents[2] / "demo"
SAMPLES, STEPS, EVERY = 64, 40, 10


def bundled(folder: str, quantity: Quantity, pixel_mm: float, step: int) -> list[Slice]:
    found = []
    background = WIDE_HU[0] if quantity == "hounsfield_units" else 0.0
    for path in sorted((DEMO / folder).glob("*.dcm"))[::step]:
        values = read_slice(path.read_bytes()).values()
        found.append(Slice(shrunk(values, background, SIDE), quantity, folder, pixel_mm))
    return found


def main(output: Path) -> int:
    """0 if the loss fell."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    kinds = [
        drawn(bundled("ct_lidc_0314", "hounsfield_units", 1.36, 6), SAMPLES, 1),
        drawn(bundled("mr_brain_pd", "mr_signal", 0.86, 4), SAMPLES, 2),
    ]
    network, log = train(kinds, minutes=60, steps=STEPS, every=EVERY)
    export_onnx(network, output / "model.onnx")
    (output / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    first, last = log[0]["Training"], log[-1]["Training"]
    print(f"loss {first:.3f} -> {last:.3f} in {STEPS} steps")
    return 0 if last < first else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
