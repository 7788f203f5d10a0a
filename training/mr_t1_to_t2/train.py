"""Train the translator: ``python -m training.mr_t1_to_t2.train --sessions SESSIONS --work RUN``.

SESSIONS is written by ``python -m training.mr_slices --out SESSIONS``. Writes RUN/checkpoint.pt (averaged
weights) and RUN/log.json as it goes, so that there is always something to export. The adversarial term sets
in after `--alone` of the run; with `--alone 1` it never does, which is the ablation of the model card.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.ct_denoise.optimiser import Optimiser
from training.mr_progress import (
    SETTLING,
    Length,
    average_into,
    run_arguments,
    running_mean,
    store,
)

from .networks import Discriminator, Generator
from .patches import Batch, BatchSource, build, stacks

SQUARE = 2.0
"""Weight of the squared error beside the absolute one."""
ADVERSARIAL = 0.01
"""Weight of the discriminator's opinion; an absolute error of 0.05 is typical."""
DISCRIMINATOR_RATE = 4e-4
PATCH = 192
"""Pixels of a side: smaller than what the network sees around a pixel, and it learns edges of images instead
of the middle of tissue."""
WATCHED = 48
"""Patches of training patients: what is watched decides nothing for the held out."""


@dataclass(frozen=True)
class Run:
    """How to train."""

    length: Length
    work: Path
    alone: float = 0.5
    """Share of the run without discriminator."""
    seed: int = 1
    batch: int = 4
    rate: float = 0.01
    """Muon's; Adam's is 1/20 of it."""
    every: int = 100
    """Iterations between entries of the log."""


def fidelity(result: Tensor, batch: Batch) -> Tensor:
    """Weighted absolute and squared error."""
    error = result - batch.t2
    return (batch.weight * (error.abs() + SQUARE * error.square())).mean()


class Opponent:
    """The discriminator and its optimiser (least squares: Mao et al. 2017, arXiv 1611.04076)."""

    def __init__(self) -> None:
        self.network = Discriminator()
        self._adam = torch.optim.Adam(self.network.parameters(), lr=DISCRIMINATOR_RATE, betas=(0.5, 0.99))

    def learn(self, batch: Batch, result: Tensor) -> float:
        """One update: pairs that were acquired to 1, generated ones to 0."""
        middle = batch.t1[:, 1:2]
        loss = (self.network(middle, batch.t2) - 1).square().mean()
        loss = loss + self.network(middle, result.detach()).square().mean()
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        return float(loss.detach())

    def opinion(self, batch: Batch, result: Tensor) -> Tensor:
        """What the generator is to make small."""
        return (self.network(batch.t1[:, 1:2], result) - 1).square().mean()


def watched_error(network: Generator, batch: Batch) -> float:
    """Root mean square error of the averaged weights in the brain, on the same batch each time."""
    network.eval()
    inside = batch.weight > 1e-6 + batch.weight.min()
    with torch.no_grad():
        error = network(batch.t1) - batch.t2
    return float(error[inside].square().mean().sqrt())


def losses(network: Generator, opponent: Opponent | None, batch: Batch) -> tuple[Tensor, Tensor, float]:
    """The generator's loss, its part that is fidelity, and the discriminator's after its own update."""
    result = network(batch.t1)
    near = fidelity(result, batch)
    if opponent is None:
        return near, near, 0.0
    learnt = opponent.learn(batch, result)
    return near + ADVERSARIAL * opponent.opinion(batch, result), near, learnt


def fit(network: Generator, bank: Tensor, run: Run) -> list[dict[str, float]]:
    """The whole run; its log, the averaged weights are stored in `run.work`."""
    source, watched = BatchSource(bank, run.seed), BatchSource(bank, run.seed + 1000).batch(WATCHED)
    opponent, network = Opponent(), network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged, optimiser = copy.deepcopy(network), Optimiser(network, (network.enter, network.leave))
    log: list[dict[str, float]] = [{"iteration": 0, "watched": watched_error(averaged, watched)}]
    iteration, progress, mean = 0, 0.0, 0.0
    while progress < 1.0:
        network.train()
        network.half_precision = progress < SETTLING
        against = opponent if progress >= run.alone else None
        loss, near, learnt = losses(network, against, source.batch(run.batch))
        network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(run.length.rate(iteration, run.rate))
        mean = running_mean(mean, near.item(), iteration)
        iteration += 1
        progress = run.length.progress(iteration)
        average_into(averaged, network, iteration)
        if iteration % run.every == 0 or progress >= 1.0:
            entry = {"iteration": iteration, "fidelity": mean, "watched": watched_error(averaged, watched)}
            log.append({**entry, "discriminator": learnt, "minutes": round(run.length.minutes_gone, 2)})
            store(averaged, log, run.work)
            print(log[-1], flush=True)
    return log


def main() -> None:
    """Command line."""
    parser = run_arguments(__doc__)
    parser.add_argument("--alone", type=float, default=0.5, help="share of the run without discriminator")
    parser.add_argument("--rate", type=float, default=0.01, help="Muon's; Adam's is 1/20 of it")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    network = Generator()
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True))
    bank = build(stacks(options.sessions), options.patches, PATCH, options.seed)
    run = Run(Length(options.minutes), options.work, options.alone, options.seed, rate=options.rate)
    fit(network, bank, run)


if __name__ == "__main__":
    main()
