"""Ensembles and repeated sampling: the mean is the result, the spread says how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.network import Network, Tensor
from pipelines.prepare import Prepared
from pipelines.sampling.chance import Chance
from pipelines.volume import SliceResult, SliceValues

MIRRORS: tuple[tuple[int, ...], ...] = ((), (-2, -1), (-1,), (-2,))
"""Axes of (..., rows, columns) along which one sample after the other is mirrored."""


@dataclass(frozen=True)
class Answer:
    """(batch, 1, *space) each; `spread` is the answers' standard deviation, None where it says nothing."""

    mean: Tensor
    spread: Tensor | None


@dataclass(frozen=True)
class UncertainResult(SliceResult):
    """A result slice with its uncertainty."""

    spread: NDArray[np.float32]
    """(rows, columns), standard deviation over the repeats, in the quantity of `values`."""


@dataclass(frozen=True)
class Repeated:
    """Every network of an ensemble, each asked `samples` times.

    `antithetic` asks in pairs of opposite noise: what an answer owes to its noise in first order, the other
    takes back, so the mean of few is nearly that of many (Hammersley and Morton 1956, Mathematical
    Proceedings of the Cambridge Philosophical Society 52:449). Such pairs leave next to nothing of their
    noise in the mean, so squares are divided by the number of answers, not by one less; in mirror images a
    network answers a little differently, so there that is an approximation.

    `mirrored` shows each sample another mirror image, noise and all, and mirrors its answer back: a
    self-ensemble (Timofte, Rothe and Van Gool 2016, CVPR, "Seven ways to improve example-based single image
    super resolution").
    """

    networks: tuple[Network, ...]
    samples: int = 1
    antithetic: bool = False
    mirrored: bool = False
    has_spread: bool = True
    """Whether answers that differ say how sure the mean is."""

    def __call__(self, batch: Tensor, chances: Sequence[Chance]) -> Answer:
        """Welford's running mean and variance: memory does not grow with the number of repeats."""
        outputs = self._outputs(batch, chances)
        if len(self.networks) * self.samples == 1:
            return Answer(next(outputs), None)
        mean = np.array(next(outputs))
        count, squares = 1, np.zeros_like(mean)
        for count, output in enumerate(outputs, start=2):
            away = output - mean
            mean += away / np.float32(count)
            if self.has_spread:
                squares += away * (output - mean)
        if not self.has_spread:
            return Answer(mean, None)
        return Answer(mean, np.sqrt(squares / np.float32(count if self.antithetic else count - 1)))

    def _outputs(self, batch: Tensor, chances: Sequence[Chance]) -> Iterator[Tensor]:
        for member, network in enumerate(self.networks):
            for sample in range(self.samples):
                asked = member * self.samples + sample
                number, second = divmod(asked, 2) if self.antithetic else (asked, 0)
                axes = MIRRORS[sample % len(MIRRORS)] if self.mirrored else ()
                drawn = [
                    replace(chance, sample=number, opposite=bool(second), mirrored=axes) for chance in chances
                ]
                yield np.flip(network(np.ascontiguousarray(np.flip(batch, axes)), drawn), axes)


def carried_back(answer: Answer, item: int, prepared: Prepared) -> tuple[NDArray[np.float32], ...]:
    """Mean and, if there is one, spread of one item of the batch, on the source's grid and scale."""
    mean = answer.mean[item, 0]
    if answer.spread is None:
        return (prepared.back(mean),)
    above = prepared.back(mean + answer.spread[item, 0])
    values = prepared.back(mean)
    return values, np.abs(above - values)


def slice_result(source: SliceValues, carried: Sequence[NDArray[np.float32]]) -> SliceResult:
    """An `UncertainResult` where there is a spread."""
    return UncertainResult(source, *carried) if len(carried) > 1 else SliceResult(source, carried[0])
