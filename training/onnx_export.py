"""PyTorch networks as ONNX files: one opset, checked, named by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import onnx
import torch
from torch import Tensor, nn

OPSET = 17
Axes = Mapping[int, str]
"""Those of any length, with their names."""
BATCH: Axes = MappingProxyType({0: "batch"})
"""Of a network for images of one size."""


def write_onnx(
    network: nn.Module,
    example: Sequence[Tensor],
    inputs: Mapping[str, Axes],
    outputs: Mapping[str, Axes],
    path: Path,
) -> str:
    """One file, weights inside; its SHA-256.

    `inputs` and `outputs`: the tensors' names in their order, each with its free axes.
    Raises onnx.checker.ValidationError where the file is no valid model.
    """
    torch.onnx.export(
        network.eval(),
        tuple(example),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes={name: dict(axes) for name, axes in (*inputs.items(), *outputs.items())},
    )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()
