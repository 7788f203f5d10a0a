"""Train the CT denoiser: ``python -m training.ct_denoise.train --data ../shared/data/ct_train --work RUN``.

Draws the noise bank first if RUN/bank does not exist. Writes RUN/checkpoint.pt (averaged weights) and
RUN/log.json as it goes, so that there is always something to export.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import noise_bank
from .examples import PatchSource
from .loss import weighted_loss
from .network import CtDenoiser
from .optimiser import Optimiser, learning_rate
from .slices import load_slices
from .validation import Validation, validate, validation_set

AVERAGING = 0.998  # exponential moving average of the weights, per iteration
ADDED_LATER = ("context.", "level.")  # parts that older checkpoints lack; they begin as the identity
SETTLING = 0.94  # share of the run after which the trunk runs in float32

Curve = list[dict[str, float]]


@dataclass(frozen=True)
class Schedule:
    """How long, how many patches at once, how fast (Muon's rate; Adam's is a twentieth of it).

    The length is given in minutes, so that a busy machine does not cut the schedule short, or in iterations.
    """

    batch: int = 4
    rate: float = 0.02
    every: int = 500
    warm_up: int = 100
    means_from: float = (
        0.4  # progress from which means count, for a new network: earlier they kill its filters
    )
    minutes: float = 60.0
    iterations: int | None = None

    def progress(self, iteration: int, minutes: float) -> float:
        """Runs from 0 to 1."""
        return iteration / self.iterations if self.iterations else minutes / self.minutes

    def rate_at(self, iteration: int, progress: float) -> float:
        """Muon's rate."""
        return learning_rate(iteration, progress, self.rate, self.warm_up)

    def means_at(self, progress: float) -> float:
        """Weight of the means in the loss: rises within a tenth of the run."""
        return min(max((progress - self.means_from) / 0.1, 0.0), 1.0)


def prefetch(source: PatchSource, batch: int, depth: int = 6) -> Iterator[tuple[Tensor, ...]]:
    """Batches drawn in a thread of their own, in a fixed order; an error there ends the training here."""

    def draw() -> tuple[Tensor, ...]:
        inputs, *others = (torch.from_numpy(part) for part in source.batch(batch))
        return inputs.contiguous(memory_format=torch.channels_last), *others

    with ThreadPoolExecutor(1) as drawing:
        ahead = deque(drawing.submit(draw) for _ in range(depth))
        while True:
            yield ahead.popleft().result()
            ahead.append(drawing.submit(draw))


def average_into(averaged: CtDenoiser, network: CtDenoiser, keep: float) -> None:
    """Move `averaged` towards `network` by 1 - `keep`."""
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
            old.lerp_(new, 1.0 - keep)


def save(averaged: CtDenoiser, curve: Curve, work: Path) -> None:
    """Checkpoint and log, the checkpoint replaced in one step."""
    torch.save(averaged.state_dict(), work / "checkpoint.tmp")
    (work / "checkpoint.tmp").replace(work / "checkpoint.pt")
    (work / "log.json").write_text(json.dumps(curve, indent=1) + "\n")


def started(checkpoint: Path | None) -> CtDenoiser:
    """A new network, or one that goes on from a checkpoint (which may lack later parts)."""
    network = CtDenoiser()
    if checkpoint:
        weights = torch.load(checkpoint, weights_only=True)
        entrance = weights["enter.weight"]  # of versions with neighbours, which here all are the slice itself
        if entrance.shape[1] == 3 * network.enter.in_channels:
            weights["enter.weight"] = sum(entrance.chunk(3, dim=1))
        missing = network.load_state_dict(weights, strict=False)
        if missing.unexpected_keys or not all(k.startswith(ADDED_LATER) for k in missing.missing_keys):
            raise SystemExit(f"{checkpoint} is not of this network: {missing}")
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def step(
    network: CtDenoiser, optimiser: Optimiser, batch: tuple[Tensor, ...], rate: float, means: float
) -> float:
    """One update; the loss before it."""
    network.train()
    inputs, targets, weights, tissues = batch
    loss = weighted_loss(network(inputs), targets, weights, tissues, means)
    network.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step(rate)
    return loss.item()


def fit(
    network: CtDenoiser, source: PatchSource, cases: Validation, schedule: Schedule, work: Path
) -> tuple[CtDenoiser, Curve]:
    """The averaged weights and the curve; a loss in it is the mean since the entry before."""
    averaged, optimiser = copy.deepcopy(network), Optimiser(network, (network.enter, network.leave))
    curve: Curve = [{"Iteration": 0, "ErrorOverBound": validate(network, cases)}]
    losses: list[float] = []
    began, progress = time.monotonic(), 0.0
    for iteration, batch in enumerate(prefetch(source, schedule.batch), start=1):
        network.half_precision = progress < SETTLING
        rate, means = schedule.rate_at(iteration, progress), schedule.means_at(progress)
        losses.append(step(network, optimiser, batch, rate, means))
        average_into(averaged, network, min(AVERAGING, iteration / (10 + iteration)))
        minutes = (time.monotonic() - began) / 60
        progress = schedule.progress(iteration, minutes)
        if iteration % schedule.every == 0 or progress >= 1.0:
            loss, ratio = float(np.mean(losses)), validate(averaged, cases)
            losses.clear()
            curve.append({"Iteration": iteration, "Loss": loss, "ErrorOverBound": ratio, "Minutes": minutes})
            save(averaged, curve, work)
            print(f"{iteration}: loss {loss:.4f}, RMSE/bound {ratio:.4f}, {minutes:.1f} min", flush=True)
        if progress >= 1.0:
            break
    return averaged, curve


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the noise bank, checkpoint and log"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.02, help="Muon's; Adam's is 1/20 of it")
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    slices, bank = load_slices(options.data), options.work / "bank"
    if not (bank / "rows.npy").exists():
        noise_bank.build(slices, bank, options.seed)
    schedule = Schedule(options.batch, options.rate, options.every, minutes=options.minutes)
    schedule = replace(schedule, means_from=-0.1) if options.start else schedule
    source = PatchSource(slices, bank, options.seed)
    fit(started(options.start), source, validation_set(slices, options.seed), schedule, options.work)


if __name__ == "__main__":
    main()
