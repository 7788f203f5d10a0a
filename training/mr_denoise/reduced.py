"""A reduced retraining from end to end: ``python -m training.mr_denoise.reduced OUT``.

Trains on the bundled demonstration series for a few iterations, exports and checks the pipeline, and writes
OUT/model.onnx, OUT/pipeline.json and OUT/log.json. It shows that the training works; its weights are of no
use.
"""

from __future__ import annotations

from pathlib import Path

import torch

from training.mr_commands import reduced_command
from training.mr_demo import single
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
    reduced_command(__doc__, retrain, "loss")


if __name__ == "__main__":
    main()
