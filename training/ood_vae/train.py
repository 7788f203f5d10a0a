"""Train the VAE of the gate on thumbnails of CT and MR slices.

Run ``python -m training.ood_vae.train --shared ../shared/data --work RUN --minutes 12``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from .images import Slices, ct_slices, mr_slices, varied
from .network import Vae

BATCH = 32
EVERY = 200


Learning = list[tuple[torch.Tensor, torch.Tensor]]
"""Slices and their weights, of each modality."""


def batch_of(kinds: Learning, chance: torch.Generator) -> torch.Tensor:
    """As many CT as MR slices, varied."""
    each = BATCH // len(kinds)
    drawn = [images[torch.multinomial(weights, each, True, generator=chance)] for images, weights in kinds]
    return varied(torch.cat(drawn), chance)


def train(
    kinds: list[Slices],
    minutes: float,
    seed: int = 0,
    steps: int = 10**9,
    every: int = EVERY,
    start: Path | None = None,
) -> tuple[Vae, list[dict[str, float]]]:
    """The network and its log: step, training loss and loss on the held-out patients, in 1000 nats."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    network, log = Vae(), list[dict[str, float]]()
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    learning = [(torch.from_numpy(kind.of(held=False)), torch.from_numpy(kind.weights())) for kind in kinds]
    held = torch.cat([torch.from_numpy(kind.of(held=True)[::7]) for kind in kinds])
    began, losses = time.monotonic(), list[float]()
    for step in range(1, steps + 1):
        passed = (time.monotonic() - began) / (60 * minutes)
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + float(np.cos(np.pi * min(max(passed, step / steps), 1))))
        loss = network.loss(batch_of(learning, chance), chance)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        losses.append(loss.item())
        if step % every == 0 or passed >= 1 or step == steps:
            with torch.no_grad():
                validation = network.loss(held, chance).item() if len(held) else float("nan")
            log.append({"Step": step, "Training": float(np.mean(losses)), "HeldOut": validation})
            losses = []
        if passed >= 1:
            break
    return network, log


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    kinds = [ct_slices(options.shared / "ct_train"), mr_slices(options.shared / "mr_train")]
    print([(len(kind.images), len(kind.of(held=True))) for kind in kinds], flush=True)
    network, log = train(kinds, options.minutes, options.seed, start=options.start)
    torch.save(network.state_dict(), options.work / "checkpoint.pt")
    (options.work / "log.json").write_text(json.dumps(log, indent=1) + "\n")
    print(log[-1])


if __name__ == "__main__":
    main()
