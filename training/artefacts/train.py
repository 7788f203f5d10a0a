"""Train the network of the gate's artefact figures.

Run ``python -m training.artefacts.train --shared ../shared/data --work RUN --minutes 15``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from .network import SHOWN, ArtefactNetwork
from .samples import Samples, ct_slices, drawn, mr_slices

BATCH = 32
RATE = 3e-3
EVERY = 50
SMOOTHING = 0.02
"""Labels are that far from 0 and 1: the weakest motion and metal are below what can be seen."""


def train(
    kinds: Sequence[Samples],
    minutes: float,
    seed: int = 0,
    steps: int = 600,
    every: int = EVERY,
    start: Path | None = None,
) -> tuple[ArtefactNetwork, list[dict[str, float]]]:
    """The network and its log; as many samples of each kind in a batch."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    network, log, losses = ArtefactNetwork(), list[dict[str, float]](), list[float]()
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    began = time.monotonic()
    for step in range(1, steps + 1):
        passed = max((time.monotonic() - began) / (60 * minutes), step / steps)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(step / 50, 1) * 0.5 * (1 + float(np.cos(np.pi * min(passed, 1))))
        images, shown = batch_of(kinds, chance)
        targets = SMOOTHING + (1 - 2 * SMOOTHING) * shown
        loss = binary_cross_entropy_with_logits(network(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % every == 0 or passed >= 1:
            log.append({"Step": step, "Training": round(float(np.mean(losses)), 4)})
            losses = []
        if passed >= 1:
            break
    return network.eval(), log


def batch_of(kinds: Sequence[Samples], chance: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirrored at random, up and down too, which no patient is but every artefact may be."""
    images, shown = [], []
    for kind in kinds:
        some = chance.integers(len(kind.images), size=BATCH // len(kinds))
        images.append(kind.images[some])
        shown.append(kind.shown[some])
    mixed = np.concatenate(images)
    for axis in (2, 3):
        turned = chance.uniform(size=len(mixed)) < 0.5
        mixed[turned] = np.flip(mixed[turned], axis)
    return torch.from_numpy(mixed).float() / 255, torch.from_numpy(np.concatenate(shown)).float()


def told_apart(network: ArtefactNetwork, samples: Samples) -> dict[str, float]:
    """ROC area of each kind over samples that were not trained on."""
    with torch.no_grad():
        parts = torch.from_numpy(samples.images).split(64)
        logits = torch.cat([network(part.float() / 255) for part in parts]).numpy()
    found = {}
    for place, name in enumerate(SHOWN):
        with_it, without = (logits[samples.shown[:, place] == shown, place] for shown in (1, 0))
        pairs = with_it[:, np.newaxis] - without
        found[name] = round(float(((pairs > 0) + 0.5 * (pairs == 0)).mean()), 4)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--samples", type=int, default=2600, help="of each modality")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    ct, mr = options.shared / "ct_train", options.shared / "mr_train"
    kinds = [drawn(ct_slices(ct), options.samples, 1), drawn(mr_slices(mr), options.samples, 2)]
    network, log = train(kinds, options.minutes, options.seed, options.steps, start=options.start)
    log += [
        {"Step": log[-1]["Step"], **told_apart(network, drawn(held, 200, 3))}
        for held in (ct_slices(ct, held=True), mr_slices(mr, held=True))
    ]
    torch.save(network.state_dict(), options.work / "checkpoint.pt")
    (options.work / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    print(log[-3:])


if __name__ == "__main__":
    main()
