"""MR networks as ONNX files that the engine takes, checked against PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from training.onnx_export import BATCH, Axes, write_onnx

LARGEST_DEVIATION = 1e-4
"""Of ONNX Runtime from PyTorch, relative to the largest output."""


@dataclass(frozen=True)
class Names:
    """Of the tensors of a file."""

    inputs: tuple[str, ...]
    output: str


def export_onnx(network: nn.Module, example: Sequence[Tensor], names: Names, path: Path) -> str:
    """One file, batch and image size dynamic; its SHA-256."""
    inputs = {name: _free(tensor) for name, tensor in zip(names.inputs, example, strict=True)}
    return write_onnx(network, example, inputs, {names.output: _free(example[0])}, path)


def _free(tensor: Tensor) -> Axes:
    return {**BATCH, 2: "rows", 3: "columns"} if tensor.ndim == 4 else BATCH


def require_same(network: nn.Module, path: Path, names: Names, examples: Sequence[Sequence[Tensor]]) -> float:
    """Largest relative deviation of the file from `network`; ends the program where it is too large."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for tensors in examples:
        fed = {name: tensor.numpy() for name, tensor in zip(names.inputs, tensors, strict=True)}
        with torch.no_grad():
            expected = network.eval()(*tensors).numpy()
        found = session.run([names.output], fed)[0]
        worst = max(worst, float(np.abs(found - expected).max() / np.abs(expected).max()))
    if worst > LARGEST_DEVIATION:
        raise SystemExit(f"the ONNX file differs from PyTorch by {worst:.1e} of the largest output")
    return worst


def write_manifest(folder: Path, description: Mapping[str, object]) -> None:
    """`pipeline.json` of the folder."""
    (folder / "pipeline.json").write_text(json.dumps(description, indent=2) + "\n")
