"""A reduced retraining from end to end: ``python -m training.mr_t1_to_t2.reduced OUT``.

Trains on the bundled demonstration series and its negative, the second half of a few iterations against the
discriminator, exports and checks the pipeline, and writes OUT/model.onnx, OUT/pipeline.json and
OUT/log.json. It shows that the training works; its weights are of no use.
"""

from __future__ import annotations

from pathlib import Path

import torch

from training.mr_commands import reduced_command
from training.mr_demo import paired
from training.mr_progress import Length

from .export import export
from .networks import Generator
from .patches import build
from .train import Run, fit

PATCHES, SIZE = 40, 64
ITERATIONS = 60


def retrain(series: Path, out: Path) -> list[dict[str, float]]:
    """The whole way once; the log of the training."""
    torch.manual_seed(1)
    bank = build([paired(series)], PATCHES, SIZE, seed=1)
    network = Generator()
    log = fit(network, bank, Run(Length(iterations=ITERATIONS, warm_up=10), out, batch=4, every=30))
    network.load_state_dict(torch.load(out / "checkpoint.pt", weights_only=True))
    export(network, out)
    return log


def main() -> None:
    """Command line; exits with an error unless the loss fell."""
    reduced_command(__doc__, retrain, "error")


if __name__ == "__main__":
    main()
