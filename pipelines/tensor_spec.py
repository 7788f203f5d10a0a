"""What a model says of its tensors, and whether that is what its manifest makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from pipelines.errors import PipelineBroken

DTYPES: Mapping[str, DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "FP32": np.float32,
    "INT64": np.int64,
    "INT32": np.int32,
}
"""Types the engine can give, as ONNX Runtime and KServe v2 name them."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor."""

    type: str
    """As the runtime names it."""
    shape: tuple[int | None, ...]
    """None for an axis of any length."""

    @property
    def channels(self) -> int | None:
        return self.shape[1] if len(self.shape) > 1 else None

    @property
    def dtype(self) -> DTypeLike:
        """KeyError for a type the engine cannot give."""
        return DTYPES[self.type]


@dataclass(frozen=True)
class Expected:
    """The tensors of one model as its manifest names them."""

    images: Mapping[str, int | None]
    """Inputs of (batch, channels, *space), and how many channels they get; None leaves that to the model."""
    dimensions: int
    outputs: tuple[str, ...]
    times: tuple[str, ...] = ()
    """Inputs of (batch,)."""

    def check(self, name: str, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> None:
        """Raise `PipelineBroken` if the model `name` has other tensors."""
        taken = [*self.images, *self.times]
        if sorted(inputs) != sorted(taken) or not set(self.outputs) <= set(outputs):
            what = f"{name} takes {list(inputs)} and gives {list(outputs)}"
            named = f"the manifest names {taken} and {list(self.outputs)}"
            raise PipelineBroken(f"{what}, but {named}", remedy="write the model's own tensor names in it")
        for image, channels in self.images.items():
            self._check_image(f"{name}: input {image}", inputs[image], channels)
        for output in self.outputs:
            _check_type(f"{name}: output {output}", outputs[output], ("tensor(float)", "FP32"))
        for time in self.times:
            _check_type(f"{name}: input {time}", inputs[time], tuple(DTYPES))

    def _check_image(self, where: str, found: TensorSpec, channels: int | None) -> None:
        _check_type(where, found, ("tensor(float)", "FP32"))
        if len(found.shape) != self.dimensions + 2:
            what = f"{where} has {len(found.shape)} axes, a pipeline of {self.dimensions} Dimensions gives"
            raise PipelineBroken(f"{what} {self.dimensions + 2}", remedy="correct Dimensions or the export")
        if channels is not None and found.channels not in (channels, None):
            what = f"{where} has {found.channels} channels, the manifest makes {channels}"
            raise PipelineBroken(what, remedy="correct Inputs, ContextSlices or the export")


def _check_type(where: str, found: TensorSpec, allowed: tuple[str, ...]) -> None:
    if found.type not in allowed:
        raise PipelineBroken(f"{where} is {found.type}", remedy=f"export it as {' or '.join(allowed)}")
