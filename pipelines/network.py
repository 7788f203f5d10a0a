"""What an engine does with prepared values, whatever the family behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import PipelineBroken
from pipelines.model_file import ModelFile
from pipelines.sampling.chance import Chance
from pipelines.session import OpenModel

Tensor = NDArray[np.float32]


Network = Callable[[Tensor, Sequence[Chance]], Tensor]
"""A batch of images, and a source of noise for each of them, to a batch of images.

The batch is (batch, channels, *space) with space (rows, columns) or (slices, rows, columns); the answer is
(batch, 1, *space).
"""


@dataclass(frozen=True)
class DirectNetwork:
    """Regression, GAN, or a whole VAE in one file: the model's answer is the result."""

    model: OpenModel
    names: ModelFile

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Tensor:
        output = self.model.run(self.names.output, {self.names.input: batch})
        return of_shape(output, (len(batch), 1, *batch.shape[2:]), self.model)


def of_shape(output: Tensor, expected: tuple[int, ...], model: OpenModel) -> Tensor:
    """`output`, or `PipelineBroken` if the model's answer has another shape than it must."""
    if output.shape != expected:
        what = f"{model.name} gave an image of shape {output.shape} where {expected} was due"
        raise PipelineBroken(what, remedy="export a model that keeps (batch, 1, *space)")
    return output
