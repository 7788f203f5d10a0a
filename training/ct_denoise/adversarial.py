"""Does an adversarial term help? ``python -m training.ct_denoise.adversarial --work RUN``.

From one checkpoint two short runs over patches of the same source: with the loss of `train` alone, and with
the hinge loss of a small patch discriminator (Isola et al. 2017; Lim and Ye 2017) that tells denoised from
full-dose patches. Measured on training patients: error over the attainable one, texture of the noise left.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .examples import PatchSource
from .loss import weighted_loss
from .network import CtDenoiser
from .optimiser import Optimiser
from .projection import FloatArray, ParallelBeam
from .slices import Slice, load_slices, split_patients
from .texture import texture
from .train import started
from .validation import Validation, validate, validation_set

WEIGHTS = (0.0, 0.1)  # of the adversarial term, in units of the fidelity loss
RATE, BATCH, CROPS = 0.001, 6, 12
ALONE = 40  # iterations the discriminator learns alone first


class Discriminator(nn.Module):
    """Full-dose or denoised, for each place of a patch (receptive field 23 pixels)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 1, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, r, c) in HU/1000 less its local mean, so that texture and not tissue decides."""
        smooth = functional.avg_pool2d(image, 9, stride=1, padding=4, count_include_pad=False)
        return self.layers(10.0 * (image - smooth))  # type: ignore[no-any-return]


def run(network: CtDenoiser, source: PatchSource, weight: float, iterations: int) -> CtDenoiser:
    """Train with the adversarial term times `weight`; weights are not averaged in either run."""
    judge, optimiser = Discriminator(), Optimiser(network, (network.enter, network.leave))
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=4e-4, betas=(0.5, 0.99))
    network.train()
    for iteration in range(iterations + ALONE * (weight > 0)):
        inputs, target, weights, tissue = (torch.from_numpy(part) for part in source.batch(BATCH))
        output = network(inputs)
        if weight:
            real, false = judge(target), judge(output.detach())
            judged = functional.relu(1 - real).mean() + functional.relu(1 + false).mean()
            judge_optimiser.zero_grad()
            judged.backward()
            judge_optimiser.step()
            if iteration < ALONE:
                continue
        loss = weighted_loss(output, target, weights, tissue)
        if weight:
            loss = loss - weight * judge(output).mean()
        network.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(RATE)
    return network


def measured(network: CtDenoiser, slices: list[Slice], cases: Validation, seed: int) -> dict[str, float]:
    """Error and texture on training patients."""
    network.eval()

    def denoise(image: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(network(torch.from_numpy(image[None, None] / np.float32(1000)))[0, 0] * 1000)

    training, _ = split_patients(slices)
    one_each = {s.patient: s for s in slices if s.patient in training and not s.sharp}
    found = texture(list(one_each.values())[:6], 0.25, denoise, ParallelBeam(), seed) or {}
    return {"ErrorOverBound": validate(network, cases), **found}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoint and noise bank")
    parser.add_argument("--iterations", type=int, default=80)
    options = parser.parse_args()
    torch.set_num_threads(1)
    slices, checkpoint = load_slices(options.data), options.work / "checkpoint.pt"
    cases = validation_set(slices, seed=5, count=CROPS)
    arms = [{"Weight": None, **measured(started(checkpoint), slices, cases, seed=5)}]
    for weight in WEIGHTS:
        torch.manual_seed(5)
        source = PatchSource(slices, options.work / "bank", seed=5)
        network = run(started(checkpoint), source, weight, options.iterations)
        arms.append({"Weight": weight, **measured(network, slices, cases, seed=5)})
        print(arms[-1], flush=True)
    found = {"Iterations": options.iterations, "Batch": BATCH, "Rate": RATE, "Arms": arms}
    (options.work / "adversarial.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
