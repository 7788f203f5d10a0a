"""Training patches: reference slices plus banked noise, augmented.

The reference is noisy itself (deviation sf), the input more so (added deviation se; dose d =
sf^2/(sf^2+se^2)). Regressing on the reference gives E[reference | input], which keeps a share d of the
input's noise, as far as an image tells its own dose, and has the least error against the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from . import inserts
from .measures import TISSUES
from .noise_bank import STEP_HU
from .projection import FloatArray
from .slices import CLIP_HU, Slice

PATCH = 256
"""Pixels of a side. The network sees 76 pixels around each; in patches of 160 it learnt mostly what lies at
the edge of an image."""
AIR_WEIGHT = 0.5  # of pixels in air, whose noise the scanner and the engine clip at -1024 HU
INSERTS = 0.2  # share of patches with ellipses drawn in
RESIZED = 0.35  # share of patches shown with another pixel spacing
SIDES = (0.4, 1.8)  # pixels of the slice that such a patch covers over those it has, log-uniform
FAINT = 0.12  # share of patches with anatomy and noise as faint as in a head
FAINT_SCALE, FAINT_CENTRE_HU = (0.3, 0.85), 40.0
HIGH_DOSE = 0.25  # share of patches with doses beyond the bank's
SHARES = {"LIDC-IDRI-0001": 0.15, "ACRIN-FLT-Breast_001": 0.10}  # of the patches; the rest is TCGA


@dataclass(frozen=True)
class Scene:
    """A reference and noise to be added to it, (rows, columns) in HU, and their deviations in HU."""

    reference: FloatArray
    noise: FloatArray
    own_hu: float  # of the noise that the reference carries
    added_hu: float

    def resized(self, side: int) -> Scene:
        """At another pixel spacing; coarser pixels average noise, finer ones hold coarser noise."""
        images = torch.from_numpy(np.stack([self.reference, self.noise]))[None]
        both = functional.interpolate(images, (side, side), mode="bilinear", antialias=True)[0].numpy()
        before = float(self.noise.std())
        change = float(both[1].std()) / before if before > 0 else 1.0  # no noise in padding
        return Scene(both[0], both[1], self.own_hu * change, self.added_hu * change)

    def rescaled(self, scale: float, shift_hu: float) -> Scene:
        """Other contrast: reference and noise times `scale`, the reference shifted."""
        reference = self.reference * scale + shift_hu
        return Scene(reference, self.noise * scale, self.own_hu * scale, self.added_hu * scale)


class PatchSource:
    """Draws batches of (slice, target, weight) in HU/1000; weight is 1/(attainable error in HU/1000)^2."""

    def __init__(self, slices: list[Slice], bank: Path, seed: int, size: int = PATCH) -> None:
        self.slices, self.size = slices, size
        self.noise = np.load(bank / "noise.npy", mmap_mode="r")
        self.rows = np.load(bank / "rows.npy")
        self.rng = np.random.default_rng(seed)
        self.groups = self._groups()

    def _groups(self) -> list[tuple[float, np.ndarray]]:
        owner = np.array([self.slices[i].patient for i in self.rows["slice"]])
        groups = [(share, np.flatnonzero(owner == name)) for name, share in SHARES.items()]
        others = np.flatnonzero(~np.isin(owner, list(SHARES)))
        sharp = np.array([self.slices[self.rows["slice"][i]].sharp for i in others])
        rest = 1.0 - sum(share for share, _ in groups)
        groups += [(rest * 0.65, others[~sharp]), (rest * 0.35, others[sharp])]
        return [(share, members) for share, members in groups if len(members)]

    def _row(self) -> int:
        """A bank row, the groups having their shares."""
        shares = np.array([share for share, _ in self.groups])
        members = self.groups[int(self.rng.choice(len(shares), p=shares / shares.sum()))][1]
        return int(self.rng.choice(members))

    def _corner(self, hu: np.ndarray, side: int) -> tuple[int, int]:
        """Upper left corner of a patch, on a body-containing place nine times in ten."""
        for _ in range(8):
            y, x = (int(self.rng.integers(0, length - side + 1)) for length in hu.shape)
            if self.rng.random() < 0.1 or (hu[y : y + side : 8, x : x + side : 8] > -900).mean() > 0.35:
                break
        return y, x

    def _strength(self, own: float, added: float) -> float:
        """Factor on the banked noise."""
        if self.rng.random() >= HIGH_DOSE:
            return float(self.rng.choice([1.0, self.rng.uniform(0.6, 1.5)]))
        dose = self.rng.uniform(0.4, 0.9)
        return own / added * float(np.sqrt(1.0 / dose - 1.0))

    def _side(self) -> int:
        """Pixels of the slice that the patch covers."""
        if self.rng.random() >= RESIZED:
            return self.size
        return round(self.size * float(np.exp(self.rng.uniform(*np.log(SIDES)))))

    def _scene(self, row: int) -> tuple[Scene, float]:
        """What a patch shows before augmentation of intensities, and its pixel spacing in mm."""
        item = self.slices[int(self.rows["slice"][row])]
        side = self._side()
        y, x = self._corner(item.hu, side)
        cut = np.s_[y : y + side, x : x + side]
        reference, added = item.hu[cut].astype(np.float32), float(self.rows["added_hu"][row])
        strength = self._strength(item.noise_hu, added)
        noise = self.noise[row][cut].astype(np.float32) * (STEP_HU * strength)
        if reference.min() <= CLIP_HU[0]:  # the scanner pads outside its field of view: no noise there
            noise *= ndimage.maximum_filter(reference > CLIP_HU[0], 5)
        scene = Scene(reference, noise, item.noise_hu, added * strength)
        return scene if side == self.size else scene.resized(self.size), item.spacing_mm * side / self.size

    def patch(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """One augmented example: input, target, weight and tissue, each (size, size)."""
        row = self._row()
        scene, spacing_mm = self._scene(row)
        if self.rng.random() < INSERTS:
            kernel = self.slices[int(self.rows["slice"][row])].kernel
            drawn = inserts.drawn(self.size, kernel, spacing_mm, self.rng)
            scene = Scene(scene.reference + drawn, scene.noise, scene.own_hu, scene.added_hu)
        return self._finish(self._contrast(scene))

    def _contrast(self, scene: Scene) -> Scene:
        """Contrast agents, tube voltages, calibration; a few as faint as a head's soft tissue."""
        draw = self.rng.random()
        if draw < FAINT:
            scale = float(np.exp(self.rng.uniform(*np.log(FAINT_SCALE))))
            return scene.rescaled(scale, FAINT_CENTRE_HU * (1.0 - scale))
        if draw < 0.5:
            return scene.rescaled(float(self.rng.uniform(0.85, 1.2)), float(self.rng.uniform(-25, 25)))
        return scene

    def _finish(self, scene: Scene) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        lowest = CLIP_HU[0] if self.rng.random() < 0.6 else -1000.0  # some scanners clip at air
        full = np.maximum(scene.reference, lowest)
        noisy = np.clip(full + scene.noise, lowest, CLIP_HU[1])
        # Clipping noise in air raises its mean; the network is not to undo that but to keep its means.
        target = full + ndimage.gaussian_filter(noisy - full - scene.noise, 6.0)
        attainable = scene.own_hu**2 * scene.added_hu**2 / (scene.own_hu**2 + scene.added_hu**2) + 2.0**2
        both = self._turned(np.stack([noisy / 1000.0, target / 1000.0, tissue_classes(full)]))
        weight = np.where(ndimage.uniform_filter(both[1], 9) < -0.95, AIR_WEIGHT, 1.0) * (1.0e6 / attainable)
        return both[0], both[1], weight.astype(np.float32), both[2]

    def _turned(self, both: np.ndarray) -> FloatArray:
        """Turned and mirrored at random."""
        both = np.rot90(both, int(self.rng.integers(4)), axes=(1, 2))
        if self.rng.integers(2):
            both = both[:, :, ::-1]
        return np.ascontiguousarray(both, dtype=np.float32)

    def batch(self, count: int) -> tuple[FloatArray, ...]:
        """`count` examples stacked: four arrays of (count, 1, size, size)."""
        parts = zip(*(self.patch() for _ in range(count)), strict=True)
        return tuple(np.stack(part)[:, None] for part in parts)


def tissue_classes(hu: FloatArray) -> FloatArray:
    """Per pixel 0 (none), 1 (air), 2.. (`TISSUES` in order), clear of edges; no body mask."""
    smooth = ndimage.gaussian_filter(hu, 2.0)
    classes = (smooth < -960).astype(np.uint8)
    for number, (low, high) in enumerate(TISSUES.values(), start=2):
        classes[(smooth > low) & (smooth < high)] = number
    alike = ndimage.maximum_filter(classes, 3) == ndimage.minimum_filter(classes, 3)
    return (classes * (alike & (hu > CLIP_HU[0]))).astype(np.float32)
