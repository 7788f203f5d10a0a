"""Export the artefact network: ``python -m training.artefacts.export --work RUN``.

Writes model.onnx and model.json (its SHA-256) into pipelines/artefacts, with the training log beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from pipelines.artefacts.score import SIDE

from .network import ArtefactNetwork

TARGET = Path("pipelines/artefacts")
OPSET = 17
TOLERANCE = 1e-3


def export_onnx(network: ArtefactNetwork, path: Path) -> None:
    """One file; raises ValueError unless it answers as the network does."""
    image = torch.rand(2, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    torch.onnx.export(
        network.eval(),
        (image,),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={name: {0: "batch"} for name in ("images", "logits")},
    )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        apart = np.abs(session.run(None, {"images": image.numpy()})[0] - network(image).numpy()).max()
    if apart > TOLERANCE:
        raise ValueError(f"the exported network's logits are {apart:.4f} from the network's own")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    network = ArtefactNetwork()
    network.load_state_dict(torch.load(options.work / "checkpoint.pt", weights_only=True))
    export_onnx(network, TARGET / "model.onnx")
    digest = hashlib.sha256((TARGET / "model.onnx").read_bytes()).hexdigest()
    (TARGET / "model.json").write_text(json.dumps({"Sha256": digest}) + "\n")
    (TARGET / "log.json").write_text((options.work / "log.json").read_text())


if __name__ == "__main__":
    main()
