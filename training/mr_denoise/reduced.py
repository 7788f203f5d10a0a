"""A reduced retraining from end to end: ``python -m training.mr_denoise.reduced OUT``.

Trains on the bundled demonstration series for a few iterations, exports and checks the pipeline, and writes
OUT/model.onnx, OUT/pipeline.json and OUT/log.json. It shows that the training works; its weights are of no
use.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.mr_demo import DEMO, single
from training.mr_progress import Length

from .export import export
from .network import MrDenoiser
from .patches import build
from .train import Run, fit

PATCHES, SIZE = 40, 48
ITERATIONS = 80


def retrain(series: Path, out: Path) -> list[dict[str, float]]:
    """The whole way once; the log of the training."""
    torch.manual_seed(1)
    bank = build([single(series)], [], PATCHES, SIZE, seed=1)
    network = MrDenoiser()
    log = fit(
        network, bank, Run(Length(iterations=ITERATIONS, warm_up=10), out, batch=4, rate=0.02, every=40)
    )
    network.load_state_dict(torch.load(out / "checkpoint.pt", weights_only=True))
    export(network, out)
    return log


def main() -> None:
    """Command line; exits with an error unless the loss fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--series", type=Path, default=DEMO)
    options = parser.parse_args()
    log = retrain(options.series, options.out)
    before, after = log[0]["watched"], log[-1]["watched"]
    if after >= before:
        raise SystemExit(f"the loss did not fall: {before:.3f} to {after:.3f}")
    print(f"loss {before:.3f} to {after:.3f}; pipeline and log in {options.out}")


if __name__ == "__main__":
    main()
