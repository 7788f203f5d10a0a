"""What an engine does with prepared values, whatever the family behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.binding import Resident
from pipelines.errors import PipelineBroken
from pipelines.model_file import ModelFile
from pipelines.sampling.chance import Chance
from pipelines.tensor_spec import TensorSpec

Tensor = NDArray[np.float32]


class Model(Protocol):
    """One open ONNX model: `pipelines.session.OpenModel` here, `pipelines.remote.RemoteModel` elsewhere."""

    @property
    def name(self) -> str: ...

    @property
    def provider(self) -> str:
        """What really runs it."""

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...

    def run(self, output: str, inputs: Mapping[str, Resident]) -> Tensor:
        """One inference; every input's first axis is the batch. Safe from several threads at once."""

    def resident(self, values: Tensor) -> Resident:
        """`values` where the model runs, for use in many calls."""


Network = Callable[[Tensor, Sequence[Chance]], Tensor]
"""A batch of images, and a source of noise for each of them, to a batch of images.

The batch is (batch, channels, *space) with space (rows, columns) or (slices, rows, columns); the answer is
(batch, 1, *space).
"""


@dataclass(frozen=True)
class DirectNetwork:
    """Regression, GAN, or a whole VAE in one file: the model's answer is the result."""

    model: Model
    names: ModelFile

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Tensor:
        output = self.model.run(self.names.output, {self.names.input: batch})
        return of_shape(output, (len(batch), 1, *batch.shape[2:]), self.model)


def of_shape(output: Tensor, expected: tuple[int, ...], model: Model) -> Tensor:
    """`output`, or `PipelineBroken` if the model's answer has another shape than it must."""
    if output.shape != expected:
        what = f"{model.name} gave an image of shape {output.shape} where {expected} was due"
        raise PipelineBroken(what, remedy="export a model that keeps (batch, 1, *space)")
    return output
