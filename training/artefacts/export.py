"""Export the artefact network: ``python -m training.artefacts.export --work RUN``.

Writes model.onnx and model.json (its SHA-256) into pipelines/artefacts, with the training log beside them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from pipelines.artefacts.score import SIDE
from training.onnx_export import BATCH, write_onnx

from .network import ArtefactNetwork

TARGET = Path("pipelines/artefacts")
TOLERANCE = 1e-3


def export_onnx(network: ArtefactNetwork, path: Path) -> str:
    """One file, the batch is dynamic; its SHA-256.

    Raises ValueError unless it answers as the network does.
    """
    image = torch.rand(2, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    digest = write_onnx(network, [image], {"images": BATCH}, {"logits": BATCH}, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        apart = np.abs(session.run(None, {"images": image.numpy()})[0] - network(image).numpy()).max()
    if apart > TOLERANCE:
        raise ValueError(f"the exported network's logits are {apart:.4f} from the network's own")
    return digest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    network = ArtefactNetwork()
    network.load_state_dict(torch.load(options.work / "checkpoint.pt", weights_only=True))
    digest = export_onnx(network, TARGET / "model.onnx")
    (TARGET / "model.json").write_text(json.dumps({"Sha256": digest}) + "\n")
    (TARGET / "log.json").write_text((options.work / "log.json").read_text())


if __name__ == "__main__":
    main()
