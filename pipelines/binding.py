"""Tensors that stay on the GPU from one inference to the next, by ONNX Runtime's IOBinding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

GPU_PROVIDERS = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})

Resident: TypeAlias = NDArray[Any] | onnxruntime.OrtValue
"""An array here, or a value that lies on the device."""


def resident(values: NDArray[Any], provider: str, device_id: int = 0) -> Resident:
    """`values` copied to the device once, where the provider has one; else as they are."""
    if provider not in GPU_PROVIDERS:
        return values
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(values), "cuda", device_id)


def run_bound(
    session: onnxruntime.InferenceSession, output: str, inputs: Mapping[str, Resident]
) -> NDArray[Any]:
    """One inference in which values already on the device are not copied again."""
    binding = session.io_binding()
    for name, values in inputs.items():
        if isinstance(values, onnxruntime.OrtValue):
            binding.bind_ortvalue_input(name, values)
        else:
            binding.bind_cpu_input(name, np.ascontiguousarray(values))
    binding.bind_output(output)
    session.run_with_iobinding(binding)
    return np.asarray(binding.copy_outputs_to_cpu()[0])


def part(values: Resident, begin: int, end: int) -> NDArray[Any]:
    """Items `begin` to `end` of a batch, here."""
    here = values.numpy() if isinstance(values, onnxruntime.OrtValue) else values
    return np.asarray(here[begin:end])


def shape_of(values: Resident) -> tuple[int, ...]:
    """Of a batch, wherever it lies."""
    return tuple(values.shape()) if isinstance(values, onnxruntime.OrtValue) else values.shape


def length(values: Resident) -> int:
    """Items in a batch."""
    return shape_of(values)[0]
