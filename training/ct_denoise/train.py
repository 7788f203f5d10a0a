"""Train the CT denoiser: ``python -m training.ct_denoise.train --data ../shared/data/ct_train --work RUN``.

Draws the noise bank first if RUN/bank does not exist. Writes RUN/checkpoint.pt (averaged weights) and
RUN/curves.json as it goes, so that there is always something to export.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from . import noise_bank
from .examples import KEPT, PatchSource
from .measures import TISSUES
from .network import CtDenoiser
from .optimiser import Optimiser
from .projection import ParallelBeam
from .slices import CLIP_HU, Slice, split_patients

Validation = list[tuple[Tensor, Tensor, float]]
AVERAGING = 0.998  # exponential moving average of the weights, per iteration
POOL = 16  # pixels; the mean over squares of this size must not drift
TISSUE = 12.0  # weight of the squared error of the mean over each tissue of a patch
AIR = 3.0  # the same, of air, over that of the other tissues: clipping at -1024 HU pulls its mean
LEAST_PIXELS = 100  # of a tissue, for its mean to count
WARM_UP = 100  # iterations
SETTLING = 0.94  # share of the run after which the trunk runs in float32


def tissue_error(difference: Tensor, tissue: Tensor) -> Tensor:
    """Squared error of the mean over each tissue class, summed over classes: one value per patch."""
    total = torch.zeros(len(difference))
    for number in range(1, 2 + len(TISSUES)):
        inside = (tissue == number).float()
        count = inside.sum((1, 2, 3))
        mean = (difference * inside).sum((1, 2, 3)) / count.clamp(min=1.0)
        total = total + (AIR if number == 1 else 1.0) * mean.square() * (count >= LEAST_PIXELS)
    return total


def weighted_loss(output: Tensor, target: Tensor, weight: Tensor, tissue: Tensor) -> Tensor:
    """Root mean square error per patch in units of the attainable error, with means counted again.

    The terms on the means of squares and of tissues keep HU unshifted; the root keeps a few edgy patches from
    ruling the batch.
    """
    difference = output - target
    local = functional.avg_pool2d(difference * weight.sqrt(), POOL)
    squared = (weight * difference.square()).mean((1, 2, 3)) + POOL * local.square().mean((1, 2, 3))
    squared = squared + TISSUE * weight.amax((1, 2, 3)) * tissue_error(difference, tissue)
    return (squared + 1e-4).sqrt().mean()


def validation_set(slices: list[Slice], seed: int, count: int = 24) -> Validation:
    """Fixed held-out crops: (1, 3, 256, 256) input, (256, 256) reference, attainable RMSE in HU."""
    _, held = split_patients(slices)
    rng, beam = np.random.default_rng([seed, 77]), ParallelBeam()
    pool = [s for i, s in enumerate(slices) if s.patient in held and s.neighbours == (i, i)]
    chosen = [pool[i] for i in rng.permutation(len(pool))][:count]
    cases: Validation = []
    for n, item in enumerate(chosen):
        dose = (0.05, 0.1, 0.25, 0.5)[n % 4]
        noise, added = noise_bank.simulate(beam, item, noise_bank.Setting(dose, item.kernel, 8.0, 0.4), rng)
        reference = item.hu.astype(np.float32)
        noisy = np.clip(reference + noise, *CLIP_HU)[128:384, 128:384] / 1000.0
        bound = item.noise_hu * added / math.hypot(item.noise_hu, added)
        inputs = torch.from_numpy(noisy.astype(np.float32)).expand(1, 3, -1, -1).contiguous()
        cases.append((inputs, torch.from_numpy(reference[128:384, 128:384]), bound))
    return cases


def validate(network: CtDenoiser, cases: Validation) -> float:
    """Mean of RMSE / attainable RMSE over the held-out crops."""
    network.eval()
    with torch.no_grad():
        ratios = [float(((network(x)[0, 0] * 1000 - y) ** 2).mean().sqrt()) / b for x, y, b in cases]
    return float(np.mean(ratios))


def prefetch(source: PatchSource, batch: int, depth: int = 6) -> queue.Queue[tuple[Tensor, ...]]:
    """Batches drawn in a thread of their own, in a fixed order."""
    ready: queue.Queue[tuple[Tensor, ...]] = queue.Queue(depth)

    def fill() -> None:
        while True:
            inputs, *others = (torch.from_numpy(a) for a in source.batch(batch))
            ready.put((inputs.contiguous(memory_format=torch.channels_last), *others))

    threading.Thread(target=fill, daemon=True).start()
    return ready


def learning_rate(iteration: int, progress: float, peak: float) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak; `progress` runs from 0 to 1."""
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * cosine * min(1.0, (iteration + 1) / WARM_UP)


def average_into(averaged: CtDenoiser, network: CtDenoiser, keep: float) -> None:
    """Move `averaged` towards `network` by 1 - `keep`."""
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
            old.lerp_(new, 1.0 - keep)


def save(averaged: CtDenoiser, curves: list[dict[str, float]], work: Path) -> None:
    """Checkpoint and curves, the checkpoint replaced in one step."""
    torch.save(averaged.state_dict(), work / "checkpoint.tmp")
    (work / "checkpoint.tmp").replace(work / "checkpoint.pt")
    (work / "curves.json").write_text(json.dumps(curves))


def started(checkpoint: Path | None) -> CtDenoiser:
    """A new network, or one that goes on from a checkpoint (which may lack the wide context)."""
    network = CtDenoiser()
    if checkpoint:
        missing = network.load_state_dict(torch.load(checkpoint, weights_only=True), strict=False)
        if missing.unexpected_keys or not all(k.startswith("context.") for k in missing.missing_keys):
            raise SystemExit(f"{checkpoint} is not of this network: {missing}")
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def train(options: argparse.Namespace) -> None:
    """The whole run; its length is given in minutes, and the schedule follows the clock."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    bank = options.work / "bank"
    if not (bank / "rows.npy").exists():
        noise_bank.build(options.data, bank, options.seed)
    source = PatchSource(options.data, bank, options.seed, options.kept)
    cases, network = validation_set(source.slices, options.seed), started(options.start)
    averaged, curves, running = copy.deepcopy(network), [], 0.0
    optimiser = Optimiser(network, (network.enter, network.leave))
    ready, began, iteration, progress = prefetch(source, options.batch), time.monotonic(), 0, 0.0
    while progress < 1.0:
        network.train()
        network.half_precision = progress < SETTLING
        inputs, targets, weights, tissues = ready.get()
        loss = weighted_loss(network(inputs), targets, weights, tissues)
        network.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(learning_rate(iteration, progress, options.rate))
        iteration += 1
        minutes = (time.monotonic() - began) / 60
        progress = minutes / options.minutes
        average_into(averaged, network, min(AVERAGING, iteration / (10 + iteration)))
        running = loss.item() if iteration == 1 else 0.99 * running + 0.01 * loss.item()
        if iteration % options.every == 0 or progress >= 1.0:
            ratio = validate(averaged, cases)
            curves.append({"iteration": iteration, "loss": running, "ratio": ratio, "minutes": minutes})
            save(averaged, curves, options.work)
            print(f"{iteration}: loss {running:.4f}, RMSE/bound {ratio:.4f}, {minutes:.1f} min", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the noise bank, checkpoint and curves"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.02, help="Muon's; Adam's is 1/20 of it")
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--kept", type=float, default=KEPT, help="share of noise left at most, see examples.py"
    )
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
