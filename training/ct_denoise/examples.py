"""Training patches: reference slices plus banked noise, augmented.

The reference is noisy itself (deviation sf), the input more so (added deviation se; dose d =
sf^2/(sf^2+se^2)). Regressing on the reference gives E[reference | input], which keeps a share d of the
input's noise and has the least error against the reference. With `kept` below 1 no more than that share of
the noise is left in the target: with added noise of the same spectrum as the reference's own, E[total noise |
input] = E[added noise | input] / (1 - d) (Noisier2Noise, Moran et al. 2020), and the target
    input - k * added,  k = max(1, (1 - kept) / (1 - d)),
has the expectation  anatomy + min(d, kept) * noise.  Where the spectra differ k is 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from . import inserts
from .measures import TISSUES
from .noise_bank import STEP_HU
from .projection import FloatArray
from .slices import CLIP_HU, Slice, load_slices

KEPT = 1.0  # at most this share of the noise amplitude stays
PATCH = 160
AIR_WEIGHT = 0.5  # of pixels in air, whose noise the scanner and the engine clip at -1024 HU
INSERTS = 0.2  # share of patches with ellipses drawn in
SHARES = {"LIDC-IDRI-0001": 0.22, "ACRIN-FLT-Breast_001": 0.10}  # of the patches; the rest is TCGA


class PatchSource:
    """Draws batches of (slices, target, weight) in HU/1000; weight is 1/(attainable error in HU/1000)^2."""

    def __init__(self, data: Path, bank: Path, seed: int, kept: float = KEPT) -> None:
        self.slices: list[Slice] = load_slices(data)
        self.noise = np.load(bank / "noise.npy", mmap_mode="r")
        self.rows = np.load(bank / "rows.npy")
        self.row_of = {(int(r["slice"]), int(r["repeat"])): i for i, r in enumerate(self.rows)}
        self.rng, self.kept = np.random.default_rng(seed), kept
        self.groups = self._groups()

    def _groups(self) -> list[tuple[float, np.ndarray]]:
        owner = np.array([self.slices[i].patient for i in self.rows["slice"]])
        groups = [(share, np.flatnonzero(owner == name)) for name, share in SHARES.items()]
        others = np.flatnonzero(~np.isin(owner, list(SHARES)))
        sharp = np.array([self.slices[self.rows["slice"][i]].sharp for i in others])
        rest = 1.0 - sum(share for share, _ in groups)
        return [*groups, (rest * 0.75, others[~sharp]), (rest * 0.25, others[sharp])]

    def _neighbours(self, row: int) -> list[int]:
        """Bank rows of the slice below, itself and the slice above; itself where replicated."""
        index, repeat = int(self.rows["slice"][row]), int(self.rows["repeat"][row])
        below, above = (self.row_of[(n, repeat)] for n in self.slices[index].neighbours)
        draw = self.rng.random()
        if draw < 0.2:  # an isolated slice
            below = above = row
        elif draw < 0.3:  # the end of a series
            below, above = (row, above) if draw < 0.25 else (below, row)
        return [below, row, above]

    def _corner(self, hu: np.ndarray) -> tuple[int, int]:
        """Upper left corner of a patch, on a body-containing place nine times in ten."""
        for _ in range(8):
            y, x = self.rng.integers(0, 512 - PATCH + 1, 2)
            if self.rng.random() < 0.1 or (hu[y : y + PATCH : 8, x : x + PATCH : 8] > -900).mean() > 0.35:
                break
        return int(y), int(x)

    def patch(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """One augmented example: (3, PATCH, PATCH) input, (PATCH, PATCH) target, weight and tissue."""
        share = self.rng.random()
        chosen = self.groups[-1][1]
        for weight, members in self.groups:
            if share < weight:
                chosen = members
                break
            share -= weight
        row = int(self.rng.choice(chosen))
        item = self.slices[int(self.rows["slice"][row])]
        y, x = self._corner(item.hu)
        cut = np.s_[y : y + PATCH, x : x + PATCH]
        near = self._neighbours(row)
        images = [self.slices[int(self.rows["slice"][r])].hu[cut] for r in near]
        reference = np.stack(images).astype(np.float32)
        strength = float(self.rng.choice([1.0, self.rng.uniform(0.6, 1.5)]))  # a little less or more dose
        noise = np.stack([self.noise[r][cut] for r in near]).astype(np.float32) * (STEP_HU * strength)
        if reference.min() <= CLIP_HU[0]:  # the scanner pads outside its field of view: no noise there
            noise *= ndimage.maximum_filter(reference > CLIP_HU[0], (1, 5, 5))
        if self.rng.random() < INSERTS:
            reference = reference + inserts.drawn(PATCH, item.kernel, item.spacing_mm, self.rng)
        return self._finish(reference, noise, item, row, strength)

    def _finish(
        self, reference: FloatArray, noise: FloatArray, item: Slice, row: int, strength: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        added, own = float(self.rows["added_hu"][row]) * strength, item.noise_hu
        dose = own**2 / (own**2 + added**2)
        k = min(max(1.0, (1.0 - self.kept) / (1.0 - dose)), 3.5) if self.rows["matched"][row] else 1.0
        scale, shift = 1.0, 0.0
        if self.rng.random() < 0.5:  # intensity: contrast agents, tube voltages, calibration
            scale, shift = float(self.rng.uniform(0.85, 1.2)), float(self.rng.uniform(-25, 25))
        lowest = CLIP_HU[0] if self.rng.random() < 0.6 else -1000.0  # some scanners clip at air
        full = np.maximum(reference * scale + shift, lowest)
        noisy = np.clip(full + noise * scale, lowest, CLIP_HU[1])
        # Clipping noise in air raises its mean; the network is not to undo that but to keep its means.
        raised = ndimage.gaussian_filter(noisy[1] - full[1] - noise[1] * scale, 6.0)
        target = full[1] + (1.0 - k) * noise[1] * scale + raised
        attainable = (k * own * added * scale) ** 2 / (own**2 + added**2) + 3.0**2
        turns, mirrored = int(self.rng.integers(4)), bool(self.rng.integers(2))
        both = np.concatenate([noisy / 1000.0, target[None] / 1000.0, tissue_classes(reference[1])[None]])
        both = np.rot90(both, turns, axes=(1, 2))
        both = both[:, :, ::-1] if mirrored else both
        if self.rng.integers(2):
            both = both[[2, 1, 0, 3, 4]]
        both = np.ascontiguousarray(both, dtype=np.float32)
        weight = np.where(ndimage.uniform_filter(both[3], 9) < -0.95, AIR_WEIGHT, 1.0) * (1.0e6 / attainable)
        return both[:3], both[3], weight.astype(np.float32), both[4]

    def batch(self, size: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """`size` examples stacked: (n, 3, P, P), then (n, 1, P, P) three times."""
        inputs, *others = zip(*(self.patch() for _ in range(size)), strict=True)
        targets, weights, tissues = (np.stack(o)[:, None] for o in others)
        return np.stack(inputs), targets, weights, tissues


def tissue_classes(hu: FloatArray) -> FloatArray:
    """Per pixel 0 (none), 1 (air), 2.. (`TISSUES` in order), clear of edges; no body mask."""
    smooth = ndimage.gaussian_filter(hu, 2.0)
    classes = (smooth < -960).astype(np.uint8)
    for number, (low, high) in enumerate(TISSUES.values(), start=2):
        classes[(smooth > low) & (smooth < high)] = number
    alike = ndimage.maximum_filter(classes, 3) == ndimage.minimum_filter(classes, 3)
    return (classes * (alike & (hu > CLIP_HU[0]))).astype(np.float32)
