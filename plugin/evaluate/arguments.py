"""What `orthogen evaluate` may be told; imports nothing that a broken installation could lack."""

from __future__ import annotations

import argparse
from pathlib import Path


def take_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pipeline", required=True, metavar="NAME")
    command.add_argument("--input", type=Path, required=True, metavar="DIR", help="series to be processed")
    command.add_argument("--reference", type=Path, required=True, metavar="DIR", help="what they should be")
    command.add_argument("--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--seed", type=int, metavar="N", help="by default the pipeline's own")
    command.add_argument("--tiers", default="1,2,3", metavar="N,...", help="1 fidelity, 2 texture, 3 task")
    command.add_argument(
        "--baseline-noise", choices=("estimated", "oracle", "none"), default="estimated",
        help="what the baselines of a denoiser are told of the noise; none leaves them out",
    )  # fmt: skip
    command.add_argument("--baselines", default="nlm,tv", metavar="NAME,...", help="nlm, tv")
    command.add_argument(
        "--baseline-curve",
        type=Path,
        metavar="FILE",
        help="of a translation: intensity curves learned elsewhere",
    )
    command.add_argument("--groups", action="store_true", help="figures of each folder below --input apart")
    command.add_argument("--compare", metavar="NAME|FILE", help="another pipeline, or its evaluation.json")
    command.add_argument("--config", type=Path, metavar="FILE", help="take settings from this configuration")
