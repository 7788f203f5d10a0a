"""How much of the estimated noise to leave in: ``python -m training.ct_denoise.returned --work RUN``.

A denoiser that removes all it can leaves the coarse noise it cannot tell from anatomy: too smooth a texture.
Returning a share of the fine noise as well brings texture and edges back. Measured on training patients,
whose slices get fresh noise; the held-out patients take no part in the choice.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from .measures import body_mask, rmse
from .network import CtDenoiser
from .noise_bank import Setting, simulate
from .projection import FloatArray, ParallelBeam
from .slices import CLIP_HU, Slice, load_slices, split_patients
from .texture import texture
from .train import started

SHARES = (0.0, 0.1, 0.2, 0.3)
DOSES = (0.05, 0.1, 0.25, 0.5)
PATIENTS = 6  # of smooth and of sharp kernels each


def chosen(slices: list[Slice], sharp: bool) -> list[Slice]:
    """One slice of each of some training patients."""
    training, _ = split_patients(slices)
    one_each = {s.patient: s for s in slices if s.patient in training and s.sharp is sharp}
    return list(one_each.values())[:PATIENTS]


def errors(items: list[Slice], network: CtDenoiser, beam: ParallelBeam) -> list[list[float]]:
    """For each slice and dose the RMSE over the attainable one at each of `SHARES`."""
    found = []
    for number, item in enumerate(items):
        reference = item.hu.astype(np.float32)
        mask, rng = body_mask(reference), np.random.default_rng([61, number])
        for dose in DOSES:
            noise, added = simulate(beam, item, Setting(dose, item.kernel, 6.0, 0.4), rng)
            noisy = np.clip(reference + noise, *CLIP_HU)
            removed = noisy - denoised(network, noisy)
            own = item.noise_hu
            bound = float(np.sqrt(np.mean(noise[mask] ** 2))) * own / float(np.hypot(own, added))
            found.append([rmse(noisy - (1 - share) * removed, reference, mask) / bound for share in SHARES])
    return found


def denoised(network: CtDenoiser, image: FloatArray) -> FloatArray:
    """All the noise removed."""
    with torch.no_grad():
        scaled = torch.from_numpy(image[None, None].astype(np.float32) / np.float32(1000))
        return np.asarray(network(scaled)[0, 0], np.float32) * np.float32(1000)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint")
    options = parser.parse_args()
    torch.set_num_threads(1)
    slices, beam = load_slices(options.data), ParallelBeam()
    network = started(options.work / "checkpoint.pt").eval()
    smooth, sharp = (chosen(slices, kind) for kind in (False, True))
    by_kind = [np.mean(errors(items, network, beam), axis=0) for items in (smooth, sharp)]
    lines = []
    for place, share in enumerate(SHARES):

        def denoise(image: FloatArray, share: float = share) -> FloatArray:
            return share * image + (1 - share) * denoised(network, image)

        kinds = {
            name: float(values[place]) for name, values in zip(("Smooth", "Sharp"), by_kind, strict=True)
        }
        texts = [texture(items, 0.25, denoise, beam, 62) for items in (smooth, sharp)]
        frequency = float(np.mean([found["MeanFrequencyRatio"] for found in texts if found]))
        error = float(np.mean(list(kinds.values())))
        lines.append({"Returned": share, "ErrorOverBound": error, **kinds, "MeanFrequencyRatio": frequency})
        print(lines[-1], flush=True)
    (options.work / "returned.json").write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
