"""Export the trained denoiser: ``python -m training.mr_denoise.export --work RUN``.

Writes model.onnx (one file, weights inside) and pipeline.json with its SHA-256 and RUN's log into the
pipeline's folder, after checking the ONNX model against PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import torch

from training.mr_commands import export_command
from training.mr_export import Names, export_onnx, require_same, write_manifest

from .network import BETA_END, BETA_START, TIMES, UNIT, MrDenoiser

NAMES = Names(("slices", "noisy", "time"), "clean")
SAMPLES = 4
DESCRIPTION = (
    "Reduces noise of MR images of the brain (T1, T2, FLAIR, PD): conditional diffusion in three steps, the "
    "mean of four samples, their spread the uncertainty. Generative. Trained on five patients with simulated "
    "noise."
)
# Set on series of two training patients without and with 5 and 10 % noise; reasons are in the model card.
GATE = {
    "NoiseRatioWarn": [0.1, 1.01],
    "NoiseRatioHold": [0.03, 1.05],
    "StructureWarn": 0.2,
    "StructureHold": 0.35,
    "EdgesKeptWarn": [0.88, 1.15],
    "EdgesKeptHold": [0.82, 1.4],
    "OutOfDistributionWarn": 1.7,
    "OutOfDistributionHold": 2.6,
    "SourcePeakWarn": 2.4,
    "SourcePeakHold": 3.5,
    "SourceMotionWarn": 0.6,
    "SourceMetalStreaksWarn": 0.98,
    "SourceMetalStreaksHold": 0.999,
}
CONSISTENCY = {"Kind": "low-pass", "CutoffPerMm": 0.06}
"""Without it mean values of dark tissue change; the cut-off was chosen on four training patients."""


def example(batch: int, rows: int, columns: int, time: int) -> tuple[torch.Tensor, ...]:
    """Tensors of the network's inputs."""
    slices = UNIT * torch.rand(batch, 3, rows, columns)
    return slices, torch.randn(batch, 1, rows, columns) + slices[:, 1:2], torch.full((batch,), time)


def description(digest: str) -> dict[str, object]:
    """The content of pipeline.json."""
    return {
        "Name": "mr-denoise",
        "Version": "0.3.0",
        "Task": "denoise",
        "Family": "diffusion",
        "Generative": True,
        "Publisher": "Orthogen",
        "Description": DESCRIPTION,
        "Inputs": [
            {
                "Name": "slices",
                "Modality": "MR",
                "Quantity": "mr_signal",
                "RowsColumns": [128, 1024],
                "PixelSpacingMm": [0.4, 1.5],
                "SliceThicknessMm": [0.8, 8.0],
                "BodyParts": ["BRAIN", "HEAD", "SKULL"],
                "Contrasts": ["T1", "T2", "FLAIR", "PD"],
                "ContextSlices": 1,
            }
        ],
        "Model": {
            "File": "model.onnx",
            "Sha256": digest,
            "Input": "slices",
            "Output": "clean",
            "SizeMultiple": 16,
        },
        "Preprocessing": [
            {"Step": "normalise", "Percentile": 99.5},
            {"Step": "scale", "Divide": 1 / UNIT},
        ],
        "Sampler": {
            "Method": "ddim",
            "Steps": TIMES,
            "TrainingSteps": TIMES,
            "NoisyInput": "noisy",
            "TimeInput": "time",
            "BetaSchedule": "scaled_linear",
            "BetaStart": BETA_START,
            "BetaEnd": BETA_END,
            "Prediction": "sample",
            "ClipSample": [0.0, 8 * UNIT],
        },
        "Consistency": CONSISTENCY,
        "Repeats": {"Samples": SAMPLES, "Antithetic": True, "Mirrored": True},
        "Companions": ["uncertainty"],
        "Seed": 1,
        "Gate": GATE,
        "Evaluation": "evaluation.json",
        "ModelCard": "MODEL_CARD.md",
    }


def export(network: MrDenoiser, folder: Path) -> str:
    """model.onnx and pipeline.json in `folder`; the digest of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = export_onnx(network, example(1, 64, 64, 0), NAMES, folder / "model.onnx")
    examples = [example(2, 64, 80, TIMES - 1), example(1, 128, 96, 0), example(3, 16, 48, 1)]
    require_same(network, folder / "model.onnx", NAMES, examples)
    write_manifest(folder, description(digest))
    return digest


def main() -> None:
    """Command line."""
    export_command(__doc__, MrDenoiser(), export, Path("pipelines/mr-denoise"))


if __name__ == "__main__":
    main()
