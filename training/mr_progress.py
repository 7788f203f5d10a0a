"""How far a run is, its learning rate, averaged weights, and what a run leaves behind."""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

AVERAGING = 0.998
"""Exponential moving average of the weights, per iteration."""
SETTLING = 0.94
"""Share of the run after which networks run in float32."""


@dataclass(frozen=True)
class Length:
    """Of a run: minutes by the clock, or a number of iterations, which every machine repeats."""

    minutes: float = math.inf
    iterations: float = math.inf
    warm_up: int = 100
    """Iterations in which the learning rate rises."""
    began: float = field(default_factory=time.monotonic)

    @property
    def minutes_gone(self) -> float:
        return (time.monotonic() - self.began) / 60

    def progress(self, iteration: int) -> float:
        """0 to 1."""
        return max(self.minutes_gone / self.minutes, iteration / self.iterations)

    def rate(self, iteration: int, peak: float) -> float:
        """The learning rate: a linear warm-up, then half a cosine down to 1 % of the peak."""
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(self.progress(iteration), 1.0)))
        return peak * cosine * min(1.0, (iteration + 1) / self.warm_up)


def average_into(averaged: nn.Module, network: nn.Module, iteration: int) -> None:
    """Move `averaged` towards `network`, faster in the beginning."""
    keep = min(AVERAGING, iteration / (10 + iteration))
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
            old.lerp_(new, 1.0 - keep)


def running_mean(mean: float, loss: float, iteration: int) -> float:
    """Over the last hundred iterations or so."""
    keep = min(0.99, iteration / (1 + iteration))
    return keep * mean + (1 - keep) * loss


def store(averaged: nn.Module, log: list[dict[str, float]], work: Path) -> None:
    """Checkpoint and log, the checkpoint replaced in one step."""
    work.mkdir(parents=True, exist_ok=True)
    torch.save(averaged.state_dict(), work / "checkpoint.tmp")
    (work / "checkpoint.tmp").replace(work / "checkpoint.pt")
    (work / "log.json").write_text(json.dumps(log, indent=1) + "\n")


def run_arguments(description: str | None) -> argparse.ArgumentParser:
    """What the command lines of both trainings share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sessions", type=Path, required=True, help="folder written by training.mr_slices")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--patches", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="checkpoint to go on from")
    return parser
