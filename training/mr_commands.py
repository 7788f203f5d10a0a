"""The command lines that the trainings of the MR pipelines have in common."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from training.mr_demo import DEMO

Network = TypeVar("Network", bound=nn.Module)


def export_command(
    about: str | None, network: Network, export: Callable[[Network, Path], str], pipeline: Path
) -> None:
    """Exports the checkpoint of a run into the pipeline's folder, with its log, and prints the digest."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipeline", type=Path, default=pipeline)
    options = parser.parse_args()
    network.load_state_dict(torch.load(options.work / "checkpoint.pt", weights_only=True))
    print(export(network, options.pipeline))
    shutil.copyfile(options.work / "log.json", options.pipeline / "training_log.json")


def reduced_command(
    about: str | None, retrain: Callable[[Path, Path], list[dict[str, float]]], watched: str
) -> None:
    """Retrains in small; exits with an error unless what is `watched` fell."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("out", type=Path)
    parser.add_argument("--series", type=Path, default=DEMO)
    options = parser.parse_args()
    log = retrain(options.series, options.out)
    before, after = log[0]["watched"], log[-1]["watched"]
    if after >= before:
        raise SystemExit(f"the {watched} did not fall: {before:.3f} to {after:.3f}")
    print(f"{watched} {before:.3f} to {after:.3f}; pipeline and log in {options.out}")
