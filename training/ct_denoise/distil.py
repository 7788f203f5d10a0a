"""Teach a denoiser what the mean of its own answers to turned slices knows (Hinton et al. 2015).

``python -m training.ct_denoise.distil --data ../shared/data/ct_train --work RUN --start CHECKPOINT``: RUN
holds the noise bank of `training.ct_denoise.train`. A network that answers a slice and its seven turned and
mirrored copies differently errs in each; their mean errs less than any. It is a target with hardly any noise
of its own, unlike the full-dose reference, so that few minutes teach what references would need hours for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .examples import PatchSource
from .network import CtDenoiser
from .projection import FloatArray
from .slices import load_slices
from .train import Schedule, fit, run_arguments, started
from .validation import validation_set

TAUGHT = 0.75
"""Share of the teacher in the target; the rest is the reference, which no teacher can spoil."""
STEPS_PER_HU = 8
"""Of the stored patches."""

Parts = tuple[FloatArray, ...]


def turned(images: Tensor) -> Iterator[Tensor]:
    """The eight ways to turn and mirror (..., side, side), the image itself first."""
    for flipped in (images, images.flip(-1)):
        for quarter in range(4):
            yield torch.rot90(flipped, quarter, (-2, -1))


def turned_back(images: list[Tensor]) -> Tensor:
    """Undoes `turned`: (8, ...), all as the first."""
    back = [torch.rot90(image, -(number % 4), (-2, -1)) for number, image in enumerate(images)]
    return torch.stack(back[:4] + [image.flip(-1) for image in back[4:]])


def taught(teacher: CtDenoiser, image: Tensor) -> Tensor:
    """The mean of the teacher's answers to a square (1, 1, side, side)."""
    with torch.no_grad():
        answers = teacher(torch.cat(list(turned(image))))
        return turned_back(list(answers.split(1))).mean(0)


class Patches(Protocol):
    """As `PatchSource` draws them: input, target, weight and tissue, each (size, size)."""

    size: int

    def patch(self) -> Parts: ...


class TaughtSource:
    """Batches like those of `PatchSource`, from patches drawn once, with the teacher in their targets."""

    def __init__(self, source: Patches, teacher: CtDenoiser, count: int, seed: int) -> None:
        teacher.eval()
        self.rng = np.random.default_rng([seed, 3])
        side = source.size
        self.images = np.empty((count, 2, side, side), np.int16)
        self.weights = np.empty((count, side, side), np.float32)
        self.tissues = np.empty((count, side, side), np.uint8)
        for number in range(count):
            noisy, reference, self.weights[number], self.tissues[number] = source.patch()
            answer = taught(teacher, torch.from_numpy(noisy[None, None]))[0, 0].numpy()
            target = TAUGHT * answer + (1 - TAUGHT) * reference
            self.images[number] = np.rint(np.stack([noisy, target]) * (1000 * STEPS_PER_HU))
            if number % 250 == 0:
                print(f"{number} of {count} patches taught", flush=True)

    def batch(self, count: int) -> Parts:
        """Input, target, weight and tissue of `count` patches, each (count, 1, side, side)."""
        drawn = zip(*(self._one(int(self.rng.integers(len(self.images)))) for _ in range(count)), strict=True)
        return tuple(np.stack(part)[:, None] for part in drawn)

    def _one(self, number: int) -> Parts:
        images = self.images[number].astype(np.float32) / np.float32(1000 * STEPS_PER_HU)
        parts = np.stack([*images, self.weights[number], self.tissues[number].astype(np.float32)])
        parts = np.rot90(parts, int(self.rng.integers(4)), axes=(1, 2))
        return tuple(np.ascontiguousarray(parts[:, :, ::-1] if self.rng.integers(2) else parts))


def main() -> None:
    """Command line."""
    parser = run_arguments(__doc__)
    parser.add_argument("--patches", type=int, default=3000)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    slices = load_slices(options.data)
    drawn = PatchSource(slices, options.work / "bank", options.seed)
    source = TaughtSource(drawn, started(options.start), options.patches, options.seed)
    schedule = Schedule(options.batch, options.rate, options.every, means_from=-0.1, minutes=options.minutes)
    fit(started(options.start), source, validation_set(slices, options.seed), schedule, options.work)


if __name__ == "__main__":
    main()
