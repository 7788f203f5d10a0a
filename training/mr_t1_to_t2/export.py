"""Export the trained translator: ``python -m training.mr_t1_to_t2.export --work RUN``.

Writes model.onnx (one file, weights inside) and pipeline.json with its SHA-256 and RUN's log into the
pipeline's folder, after checking the ONNX model against PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import torch

from training.mr_commands import export_command
from training.mr_dicom import STORED
from training.mr_export import Names, export_onnx, require_same, write_manifest

from .networks import Generator, Mirrored

NAMES = Names(("slices",), "translated")
DESCRIPTION = (
    "A demonstrator trained on seven patients: makes a T2-like image of a T1 series of the brain by a 2.5-D "
    "generative adversarial network. What it shows was not acquired. Not for diagnosis."
)

# Bright scalp and empty slices at a volume's ends are no reason; on training patients none exceeds these.
GATE = {
    "OutOfDistributionWarn": 2.0,
    "OutOfDistributionHold": 2.6,
    "SourcePeakWarn": 2.4,
    "SourcePeakHold": 3.5,
}


def description(digest: str) -> dict[str, object]:
    """The content of pipeline.json."""
    return {
        "Name": "mr-t1-to-t2",
        "Version": "0.2.0",
        "Task": "translate",
        "Family": "GAN",
        "Generative": True,
        "Publisher": "Orthogen",
        "Description": DESCRIPTION,
        "Inputs": [
            {
                "Name": "slices",
                "Modality": "MR",
                "Quantity": "mr_signal",
                "MinimumSlices": 3,
                "RowsColumns": [128, 512],
                "PixelSpacingMm": [0.6, 1.3],
                "SliceThicknessMm": [0.8, 5.0],
                "BodyParts": ["BRAIN", "HEAD", "SKULL"],
                "Contrasts": ["T1"],
                "ContextSlices": 1,
            }
        ],
        "OutputContrast": "T2",
        "Model": {
            "File": "model.onnx",
            "Sha256": digest,
            "Input": "slices",
            "Output": "translated",
            "SizeMultiple": 16,
        },
        "Preprocessing": [{"Step": "normalise", "Percentile": 99.5}],
        "Postprocessing": [
            {"Step": "clip", "Lower": 0.0, "Upper": 6.0, "Outside": "limit"},
            {"Step": "scale", "Divide": 1 / STORED},
        ],
        "Gate": GATE,
        "Evaluation": "evaluation.json",
        "ModelCard": "MODEL_CARD.md",
    }


def export(network: Generator, folder: Path) -> str:
    """model.onnx and pipeline.json in `folder`; the digest of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    mirrored = Mirrored(network)
    digest = export_onnx(mirrored, [torch.zeros(1, 3, 64, 64)], NAMES, folder / "model.onnx")
    examples = [[torch.rand(2, 3, 64, 80)], [torch.rand(1, 3, 128, 96)]]
    require_same(mirrored, folder / "model.onnx", NAMES, examples)
    write_manifest(folder, description(digest))
    return digest


def main() -> None:
    """Command line."""
    export_command(__doc__, Generator(), export, Path("pipelines/mr-t1-to-t2"))


if __name__ == "__main__":
    main()
