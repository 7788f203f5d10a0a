"""Slices with and without motion and metal, drawn for training: ``(2, 256, 256)`` thumbnails in bytes.

CT and MR slices of training patients, turned, zoomed and with noise; a third with motion, a third with metal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.artefacts.score import SIDE
from pipelines.out_of_distribution.thumbnail import WIDE_HU, shrunk, thumbnail
from pipelines.volume import Quantity
from training.ood_vae.held_out import HELD_OUT
from training.ood_vae.images import axial, patient_of

from .metal import metal_ct, metal_mr
from .motion import moved_ct, moved_mr

Values = NDArray[np.float32]

LEAST_SIGNAL = 0.08
MOTION_MM = (1.5, 9.0)
METAL_MM = {"CT": (2.0, 12.0), "MR": (3.0, 18.0)}
STREAKS_HU = (30.0, 600.0)


@dataclass(frozen=True)
class Slice:
    """(256, 256) values, HU or signal, one patient, the side of a pixel."""

    values: Values
    quantity: Quantity
    patient: str
    pixel_mm: float


@dataclass(frozen=True)
class Samples:
    """Thumbnails as bytes (count, 2, 256, 256), and what each shows: columns motion and metal, 0 or 1."""

    images: NDArray[np.uint8]
    shown: NDArray[np.uint8]


def ct_slices(folder: Path, *, held: bool = False) -> list[Slice]:
    """Of the training patients of the VAE, or of the held-out ones; at most 40 of a patient."""
    found = []
    for path in sorted(folder.glob("*.npz")):
        archive = dict(np.load(path))
        names, counts = np.unique(archive["patient"], return_counts=True)
        step = {name: -(-count // 40) for name, count in zip(names.tolist(), counts.tolist(), strict=True)}
        for index, patient in enumerate(archive["patient"].tolist()):
            if (patient in HELD_OUT) == held and index % step[patient] == 0:
                values = archive["hu"][index].astype(np.float32)
                pixel = float(archive["spacing"][index][0]) * len(values) / SIDE
                small = shrunk(values, WIDE_HU[0], SIDE)
                found.append(Slice(small, "hounsfield_units", patient, pixel))
    return found


def mr_slices(folder: Path, *, held: bool = False) -> list[Slice]:
    """The same of axial MR slices that show something; every third."""
    import nibabel

    found = []
    for path in sorted(folder.glob("*.nii.gz")):
        if (patient_of(path) in HELD_OUT) != held:
            continue
        zooms = nibabel.as_closest_canonical(nibabel.load(path)).header.get_zooms()
        for values in list(axial(path))[::3]:
            small = shrunk(values, 0.0, SIDE)
            if (small > 0.1 * np.percentile(small, 99.5)).mean() > LEAST_SIGNAL:
                pixel = float(zooms[0]) * max(values.shape) / SIDE
                found.append(Slice(small, "mr_signal", patient_of(path), pixel))
    return found


def drawn(slices: Sequence[Slice], count: int, seed: int) -> Samples:
    """So many, each patient drawn by the root of the number of its slices."""
    chance = np.random.default_rng(seed)
    patients = [each.patient for each in slices]
    weight = np.array([patients.count(name) ** -0.5 for name in patients])
    images = np.zeros((count, 2, SIDE, SIDE), np.uint8)
    shown = np.zeros((count, 2), np.uint8)
    for number, index in enumerate(chance.choice(len(slices), count, p=weight / weight.sum())):
        found, motion, metal = sample(slices[index], chance)
        images[number] = np.round(255 * thumbnail(found.values, found.quantity, SIDE))
        shown[number] = motion, metal
    return Samples(images, shown)


def sample(one: Slice, chance: np.random.Generator) -> tuple[Slice, bool, bool]:
    """The slice varied, perhaps with motion, perhaps with metal; noise before or after."""
    found = varied(one, chance)
    motion, metal, early = chance.uniform() < 0.4, chance.uniform() < 0.35, chance.uniform() < 0.5
    values = noisy(found, chance) if early else found.values
    if metal:
        values = with_metal(replace(found, values=values), chance)
    if motion:
        pixels = float(np.exp(chance.uniform(*np.log(MOTION_MM)))) / found.pixel_mm
        move = moved_ct if found.quantity == "hounsfield_units" else moved_mr
        values = move(values, pixels, chance)
    found = replace(found, values=values)
    return (found if early else replace(found, values=noisy(found, chance))), motion, metal


def with_metal(one: Slice, chance: np.random.Generator) -> Values:
    if one.quantity == "hounsfield_units":
        radius = chance.uniform(*METAL_MM["CT"]) / one.pixel_mm
        return metal_ct(one.values, radius, float(np.exp(chance.uniform(*np.log(STREAKS_HU)))), chance)
    return metal_mr(one.values, max(chance.uniform(*METAL_MM["MR"]) / one.pixel_mm, 1.5), chance)


def varied(one: Slice, chance: np.random.Generator) -> Slice:
    """Turned up to 10 degrees, zoomed by 0.7 to 1.5, moved, mirrored, in MR brightened and shaded."""
    zoom, angle = float(np.exp(chance.uniform(-0.35, 0.4))), chance.normal(0, 0.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    middle = np.array([SIDE / 2, SIDE / 2])
    offset = middle - turn @ (middle + chance.normal(0, 8, 2))
    in_hu = one.quantity == "hounsfield_units"
    background = WIDE_HU[0] if in_hu else 0.0
    values = ndimage.affine_transform(one.values, turn, offset, order=1, cval=background)
    values = values[:, ::-1] if chance.uniform() < 0.5 else values
    if chance.uniform() < 0.4:
        sharp = chance.uniform(-0.6, 0.8)
        values = values + np.float32(sharp) * (values - ndimage.gaussian_filter(values, 1))
    if not in_hu:
        peak = max(float(np.percentile(values, 99.5)), 1e-6)
        values = peak * np.clip(values / peak, 0, None) ** np.exp(chance.normal(0, 0.15))
    return replace(one, values=np.ascontiguousarray(values, np.float32), pixel_mm=one.pixel_mm / zoom)


def noisy(one: Slice, chance: np.random.Generator) -> Values:
    """CT: up to 45 HU, of some kernel and, as behind shoulders, longer in one direction; MR: Rician."""
    if chance.uniform() < 0.25:
        return one.values
    shape = one.values.shape
    if one.quantity != "hounsfield_units":
        sigma = chance.uniform(0, 0.09) * np.percentile(one.values, 99.5)
        real, imaginary = sigma * chance.normal(size=(2, *shape))
        found: Values = np.hypot(one.values + real, imaginary).astype(np.float32)
        return found
    wide = chance.uniform(0.2, 1.3)
    longer = 1.0 if chance.uniform() < 0.5 else chance.uniform(1, 6)
    sigmas = (wide, wide * longer) if chance.uniform() < 0.8 else (wide * longer, wide)
    noise = ndimage.gaussian_filter(chance.normal(size=shape), sigmas)
    body = ndimage.gaussian_filter((one.values > -700).astype(np.float32), 4) + 0.3
    scale = chance.uniform(0, 45) / noise.std()
    return (one.values + scale * noise * body).astype(np.float32)
