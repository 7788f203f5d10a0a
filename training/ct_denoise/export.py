"""Export the trained network.

Run ``python -m training.ct_denoise.export --work RUN --pipeline pipelines/ct-denoise``.

Writes model.onnx (one file, weights inside) and pipeline.json with its SHA-256, after checking the ONNX model
against PyTorch, against other sizes, and against batches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from .network import CtDenoiser

OPSET = 17
DESCRIPTION = (
    "Reduces quantum and electronic noise of CT images (Hounsfield units): residual network, slice by slice, "
    "regression, no generative sampling. Trained on chest CT with dose reduction simulated in the "
    "projection domain."
)
# What it does and what it costs: docs/trust.md, "A worse image". LeastNoiseLeft trades error for texture at
# 50 % dose; without OrdinaryNoiseHu it would do so at 5 and 10 %, too.
RESTRAINT = {"Kind": "restraint", "ShareRemoved": 0.002, "LeastNoiseLeft": 0.5, "OrdinaryNoiseHu": 9.0}
# Reasons for the limits are in the model card; those of texture, lung and grain come from `limits`. That of
# the lung never holds: clean scans of full dose have no noise to remove.
GATE = {
    "MeanShiftWarnHu": 1.0,
    "MeanShiftHoldHu": 5.0,
    "NoiseRatioWarn": [0.15, 0.95],
    "NoiseRatioHold": [0.05, 1.05],
    "StructureWarn": 0.2,
    "StructureHold": 0.35,
    "OutOfDistributionWarn": 1.15,
    "OutOfDistributionHold": 1.4,
    "SourceGhostsWarn": 2.5,
    "SourceGhostsHold": 6.0,
    "SourceMotionWarn": 0.6,
    "SourceMotionHold": 0.96,
    "SourceMetalStreaksWarn": 0.85,
    "LungShareHold": 0.005,
    "LocalChangeWarn": 11.0,
    "LocalChangeHold": 15.0,
    "TextureKeptWarn": 1.01,
    "TextureKeptHold": 0.38,
    "LungShareRemovedWarn": 0.005,
    "SourceGrainWarn": [0.3, 0.83],
}


def export_onnx(network: CtDenoiser, path: Path) -> None:
    """One file, opset 17, batch and image size dynamic."""
    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        network.eval(),
        (torch.zeros(1, 1, 64, 64),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["slices"],
        output_names=["denoised"],
        dynamic_axes={"slices": free, "denoised": free},
    )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)


def session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """CPU session with a fixed number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def check(network: CtDenoiser, path: Path) -> dict[str, float]:
    """Largest deviations: ONNX from PyTorch, and batch of 3 from one by one, in HU/1000."""
    run, rng = session(path), np.random.default_rng(0)
    against_torch = against_batch = 0.0
    for rows, columns in ((64, 72), (512, 512), (8, 200)):
        slices = rng.normal(0, 0.3, (3, 1, rows, columns)).astype(np.float32)
        together = run.run(None, {"slices": slices})[0]
        apart = np.concatenate([run.run(None, {"slices": slices[i : i + 1]})[0] for i in range(3)])
        with torch.no_grad():
            reference = network(torch.from_numpy(slices)).numpy()
        against_torch = max(against_torch, float(np.abs(together - reference).max()))
        against_batch = max(against_batch, float(np.abs(together - apart).max()))
    if max(against_torch, against_batch) > 1e-5:
        raise SystemExit(f"export differs: torch {against_torch:.2e}, batch {against_batch:.2e}")
    return {"OnnxAgainstTorch": against_torch, "BatchAgainstSingle": against_batch}


def milliseconds_per_slice(path: Path, repeats: int = 15) -> float:
    """Median processor time of one 512 x 512 slice on one core: other work on the machine does not count."""
    run, slices = session(path), np.zeros((1, 1, 512, 512), np.float32)
    times = []
    for _ in range(repeats):
        began = time.thread_time()
        run.run(None, {"slices": slices})
        times.append(1e3 * (time.thread_time() - began))
    return float(np.median(times))


def description(digest: str) -> dict[str, object]:
    """The content of pipeline.json."""
    envelope = {
        "Name": "slices",
        "Modality": "CT",
        "Quantity": "hounsfield_units",
        "MinimumSlices": 1,
        "RowsColumns": [64, 2048],
        "PixelSpacingMm": [0.3, 2.0],
        "SliceThicknessMm": [0.4, 10.0],
    }
    return {
        "Name": "ct-denoise",
        "Version": "0.5.0",
        "Task": "denoise",
        "Family": "regression",
        "Generative": False,
        "Publisher": "Orthogen",
        "Description": DESCRIPTION,
        "Inputs": [envelope],
        "Model": {
            "File": "model.onnx",
            "Sha256": digest,
            "Input": "slices",
            "Output": "denoised",
            "SizeMultiple": 8,
        },
        "Preprocessing": [
            {"Step": "clip", "Lower": -1024, "Upper": 3071},
            {"Step": "scale", "Divide": 1000.0, "Subtract": 0.0},
        ],
        "Consistency": RESTRAINT,
        "Repeats": {"Samples": 2, "Mirrored": True},
        "Gate": GATE,
        "Evaluation": "evaluation.json",
        "ModelCard": "MODEL_CARD.md",
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    options = parser.parse_args()
    network = CtDenoiser()
    network.load_state_dict(torch.load(options.work / "checkpoint.pt", weights_only=True))
    path = options.pipeline / "model.onnx"
    export_onnx(network, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (options.pipeline / "pipeline.json").write_text(json.dumps(description(digest), indent=2) + "\n")
    print(
        digest, check(network, path), f"{milliseconds_per_slice(path):.0f} ms per 512 x 512 slice, one core"
    )


if __name__ == "__main__":
    main()
