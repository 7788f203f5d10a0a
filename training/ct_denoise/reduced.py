"""A reduced retraining from end to end: ``python -m training.ct_denoise.reduced OUT``.

Trains on a few slices of the bundled demonstration study for a few iterations, exports and checks the ONNX
model, and writes OUT/model.onnx and OUT/log.json. It shows that training works; the weights are of no use.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import noise_bank
from .examples import PatchSource
from .export import check, export_onnx
from .slices import load_slices
from .train import Schedule, fit, started
from .validation import validation_set

SLICES = 6  # enough for neighbours, few enough to simulate in seconds
REPEATS = 3
PATCH = 128
SCHEDULE = Schedule(batch=3, rate=0.02, every=25, warm_up=30, means_from=0.8, iterations=100)


def retrain(series: Path, out: Path) -> list[dict[str, float]]:
    """The whole way once; the curve of the training."""
    torch.manual_seed(1)
    out.mkdir(parents=True, exist_ok=True)
    slices = load_slices(series, SLICES)
    noise_bank.build(slices, out / "bank", seed=1, most_repeats=REPEATS)
    source, cases = (
        PatchSource(slices, out / "bank", seed=1, size=PATCH),
        validation_set(slices, seed=1, count=4),
    )
    network, curve = fit(started(None), source, cases, SCHEDULE, out)
    export_onnx(network, out / "model.onnx")
    check(network, out / "model.onnx")
    return curve


def main() -> None:
    """Command line; exits with an error unless the loss fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--series", type=Path, default=Path("demo/ct_lidc_0314"))
    options = parser.parse_args()
    curve = retrain(options.series, options.out)
    before, after = curve[0]["ErrorOverBound"], curve[-1]["ErrorOverBound"]
    if after >= before:
        raise SystemExit(f"the error over the attainable one did not fall: {before:.3f} to {after:.3f}")
    print(f"error over the attainable one {before:.3f} to {after:.3f}; model and log in {options.out}")


if __name__ == "__main__":
    main()
