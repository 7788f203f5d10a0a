"""Train the MR denoiser: ``python -m training.mr_denoise.train --sessions SESSIONS --work RUN``.

SESSIONS is written by ``python -m training.mr_slices --out SESSIONS``. Writes RUN/checkpoint.pt (averaged
weights) and RUN/log.json as it goes, so that there is always something to export.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from training.ct_denoise.optimiser import Optimiser
from training.mr_progress import (
    SETTLING,
    Length,
    average_into,
    run_arguments,
    running_mean,
    store,
)

from .network import MrDenoiser
from .patches import Batch, BatchSource, build, stacks

MEANS = {8: 2.0, 32: 4.0}
"""Pixels of a square's side, and how often the squared error of its mean counts beside that of the pixels."""
PATCH = 192
"""Pixels of a side: smaller than what the network sees around a pixel, and it learns edges of images instead
of the middle of tissue."""
WATCHED = 64
"""Patches with noise of their own, of training patients: what is watched decides nothing for the held out."""


@dataclass(frozen=True)
class Run:
    """How to train."""

    length: Length
    work: Path
    seed: int = 1
    batch: int = 4
    rate: float = 0.012
    """Muon's; Adam's is 1/20 of it."""
    every: int = 100
    """Iterations between entries of the log."""


def loss_of(network: MrDenoiser, batch: Batch) -> Tensor:
    """Weighted squared error of the clean image; those of the means over squares of `MEANS` count again."""
    error = network(batch.slices, batch.noisy, batch.time) - batch.clean
    squared = error.square().mean((1, 2, 3))
    for side, share in MEANS.items():
        squared = squared + share * functional.avg_pool2d(error, side).square().mean((1, 2, 3))
    return (batch.weight * squared).mean()


def watched_loss(network: MrDenoiser, batch: Batch) -> float:
    """Of the averaged weights, on the same batch each time."""
    network.eval()
    with torch.no_grad():
        return float(loss_of(network, batch))


def onnx_weights(path: Path) -> dict[str, Tensor]:
    """By name, as PyTorch wrote them."""
    stored = (each for each in onnx.load(str(path)).graph.initializer if "." in each.name)
    return {each.name: torch.from_numpy(np.array(numpy_helper.to_array(each))) for each in stored}


def fit(network: MrDenoiser, bank: Tensor, run: Run) -> list[dict[str, float]]:
    """The whole run; its log, the averaged weights are stored in `run.work`."""
    source, watched = BatchSource(bank, run.seed), BatchSource(bank, run.seed + 1000).batch(WATCHED)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged, optimiser = copy.deepcopy(network), Optimiser(network, (network.enter, network.leave))
    log: list[dict[str, float]] = [{"iteration": 0, "watched": watched_loss(averaged, watched)}]
    iteration, progress, mean = 0, 0.0, 0.0
    while progress < 1.0:
        network.train()
        network.half_precision = progress < SETTLING
        loss = loss_of(network, source.batch(run.batch))
        network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(run.length.rate(iteration, run.rate))
        mean = running_mean(mean, loss.item(), iteration)
        iteration += 1
        progress = run.length.progress(iteration)
        average_into(averaged, network, iteration)
        if iteration % run.every == 0 or progress >= 1.0:
            entry = {"iteration": iteration, "loss": mean, "watched": watched_loss(averaged, watched)}
            log.append({**entry, "minutes": round(run.length.minutes_gone, 2)})
            store(averaged, log, run.work)
            print(log[-1], flush=True)
    return log


def main() -> None:
    """Command line."""
    parser = run_arguments(__doc__)
    parser.add_argument("--start-ct", type=Path, help="model.onnx of ct-denoise 0.2.0 to begin from")
    parser.add_argument("--rate", type=float, default=0.012, help="Muon's; Adam's is 1/20 of it")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    network = MrDenoiser()
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True), strict=False)
    elif options.start_ct:
        network.begin_from(onnx_weights(options.start_ct))
    alone, together = stacks(options.sessions)
    bank = build(alone, together, options.patches, PATCH, options.seed)
    fit(network, bank, Run(Length(options.minutes), options.work, options.seed, rate=options.rate))


if __name__ == "__main__":
    main()
