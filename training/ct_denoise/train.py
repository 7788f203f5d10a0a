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
from .network import CtDenoiser
from .projection import ParallelBeam
from .slices import CLIP_HU, Slice, split_patients

Validation = list[tuple[Tensor, Tensor, float]]
AVERAGING = 0.998  # exponential moving average of the weights, per iteration
POOL = 16  # pixels; the mean over squares of this size must not drift


def weighted_loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Root mean square error per patch in units of the attainable error, with local means counted again.

    The term on local means keeps HU unshifted; the root keeps a few edgy patches from ruling the batch.
    """
    difference = output - target
    local = functional.avg_pool2d(difference * weight.sqrt(), POOL)
    squared = (weight * difference.square()).mean((1, 2, 3)) + POOL * local.square().mean((1, 2, 3))
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


def prefetch(source: PatchSource, batch: int, depth: int = 6) -> queue.Queue[tuple[Tensor, Tensor, Tensor]]:
    """Batches drawn in a thread of their own, in a fixed order."""
    ready: queue.Queue[tuple[Tensor, Tensor, Tensor]] = queue.Queue(depth)

    def fill() -> None:
        while True:
            inputs, targets, weights = (torch.from_numpy(a) for a in source.batch(batch))
            ready.put((inputs.contiguous(memory_format=torch.channels_last), targets, weights))

    threading.Thread(target=fill, daemon=True).start()
    return ready


def learning_rate(iteration: int, total: int, peak: float) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if iteration < 200:
        return peak * (iteration + 1) / 200
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * iteration / total)))


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


def train(options: argparse.Namespace) -> None:
    """The whole run."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    bank = options.work / "bank"
    if not (bank / "rows.npy").exists():
        noise_bank.build(options.data, bank, options.seed)
    source = PatchSource(options.data, bank, options.seed, options.kept)
    cases = validation_set(source.slices, options.seed)
    network = CtDenoiser().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True))
    averaged, curves, running = copy.deepcopy(network), [], 0.0
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    ready, began = prefetch(source, options.batch), time.monotonic()
    for iteration in range(options.iterations):
        network.train()
        network.half_precision = iteration < 0.95 * options.iterations  # settle in float32
        optimiser.param_groups[0]["lr"] = learning_rate(iteration, options.iterations, options.rate)
        inputs, targets, weights = ready.get()
        loss = weighted_loss(network(inputs), targets, weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average_into(averaged, network, min(AVERAGING, (1 + iteration) / (10 + iteration)))
        running = loss.item() if iteration == 0 else 0.99 * running + 0.01 * loss.item()
        if (iteration + 1) % options.every == 0 or iteration + 1 == options.iterations:
            ratio, minutes = validate(averaged, cases), (time.monotonic() - began) / 60
            curves.append({"iteration": iteration + 1, "loss": running, "ratio": ratio, "minutes": minutes})
            save(averaged, curves, options.work)
            print(
                f"{iteration + 1}: loss {running:.4f}, RMSE/bound {ratio:.4f}, {minutes:.1f} min", flush=True
            )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the noise bank, checkpoint and curves"
    )
    parser.add_argument("--iterations", type=int, default=10000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
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
