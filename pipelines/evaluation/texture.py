"""Tier 2: noise texture, sharpness, radiomics, feature distances and sFRC, against the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from pipelines.evaluation.figures import INPUT, RESULT, Quantity, Sums
from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.spectra import Edges, NoiseSpectra
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.feature_distance import (
    LEAST_PATCHES,
    Features,
    frechet_distance,
    kernel_distance,
    patch_features,
)
from pipelines.measures.fourier_ring import PATCH, scan
from pipelines.measures.radiomics import slice_features
from pipelines.measures.regions import box_around

TIER = 2
BIN_WIDTH_HU = 25.0
SIGNAL_LEVELS = 32
COMPARED = (
    "entropy", "uniformity", "variance", "joint entropy", "angular second moment", "contrast",
    "inverse difference moment",
)  # fmt: skip
"""Features given as percent of the reference's: none of them passes through zero."""
CORRELATION_FLOOR = 0.02
"""Of the window: patches of the reference that vary less show nothing to lose or invent."""
EARLY_CROSSING_PER_PIXEL = 0.1
"""sFRC: agreement lost for detail of 10 pixels and smaller (x_ht)."""
SHARP_EDGES_PERCENT = 5.0


@dataclass
class Texture:
    """Watches one series go by."""

    subject: Subject
    scale: SeriesScale
    sums: Sums = field(default_factory=Sums)
    features: dict[str, list[Features]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.noise = NoiseSpectra(self.subject, self.scale)
        self.edges = Edges(self.subject, self.scale)

    def observe(self, triple: Triple, masks: Mapping[str, Mask]) -> None:
        main = masks.get(self.scale.main_mask)
        if main is None:
            return
        images = self._images(triple)
        self.noise.observe(images, triple.reference, main)
        self.edges.observe(images, triple, main)
        for name, image in images.items():
            self.sums.add(dict(self._of_slice(name, image, triple.reference, masks)))
            self._gather(name, image, main)
        self._gather("reference", triple.reference, main)

    def values(self) -> dict[Quantity, float]:
        distances = dict(self._distances())
        return {**self.sums.means(), **distances, **self.noise.values(), **self.edges.values()}

    def _images(self, triple: Triple) -> dict[str, Image]:
        result = triple.result * np.float32(self.scale.gain)
        return {RESULT: result, INPUT: triple.source} if self.subject.keeps_values else {RESULT: result}

    def _gather(self, name: str, image: Image, main: Mask) -> None:
        box = box_around(main)
        found = patch_features(image[box], main[box], self.scale.width)
        self.features.setdefault(name, []).append(found)

    def _of_slice(
        self, name: str, image: Image, reference: Image, masks: Mapping[str, Mask]
    ) -> Iterator[tuple[Quantity, float]]:
        main = self.scale.main_mask
        edge_mask = _sharp_edges(reference, masks[main], self.scale)
        if edge_mask.any():
            edges = _gradient(image)[edge_mask].mean() / _gradient(reference)[edge_mask].mean()
            yield Quantity(TIER, "gradient at edges / reference's", "", name, main, better="near one"), edges
        yield from self._radiomics(name, image, reference, masks)
        yield from self._rings(name, image, reference, masks[main])

    def _radiomics(
        self, name: str, image: Image, reference: Image, masks: Mapping[str, Mask]
    ) -> Iterator[tuple[Quantity, float]]:
        where = "soft tissue" if self.scale.in_hu else self.scale.main_mask
        if where not in masks:
            return
        box = box_around(masks[where], margin=1)
        mask, window = masks[where][box], self.scale.windows[self.scale.main_window]
        width = BIN_WIDTH_HU if self.scale.in_hu else self.scale.width / SIGNAL_LEVELS
        mine = slice_features(image[box], mask, window, width)
        theirs = slice_features(reference[box], mask, window, width)
        for feature in COMPARED:
            if theirs.get(feature, 0.0) > 0:
                change = 100.0 * (mine[feature] / theirs[feature] - 1.0)
                what = f"{feature}, change from reference"
                yield Quantity(TIER, what, "%", name, where, self.scale.main_window, "near zero"), change

    def _rings(
        self, name: str, image: Image, reference: Image, main: Mask
    ) -> Iterator[tuple[Quantity, float]]:
        box = box_around(main)
        if min(image[box].shape) < PATCH:
            return
        low, high = self.scale.windows[self.scale.main_window]
        one, two = (np.clip(each[box], low, high) for each in (image, reference))
        found = scan(one, two, floor=CORRELATION_FLOOR * (high - low))
        if not len(found.places):
            return
        where, window = self.scale.main_mask, self.scale.main_window
        rate = 100.0 * float(found.candidates(EARLY_CROSSING_PER_PIXEL).mean())
        crossing = float(np.median(found.crossings())) / self.subject.spacing_mm
        yield (
            Quantity(TIER, "sFRC hallucination candidates", "% of patches", name, where, window, "lower"),
            rate,
        )
        yield Quantity(TIER, "sFRC median crossing", "cycles/mm", name, where, window, "higher"), crossing

    def _distances(self) -> Iterator[tuple[Quantity, float]]:
        reference = _together(self.features.get("reference", []))
        for name, parts in self.features.items():
            mine = _together(parts)
            if name == "reference" or min(len(mine), len(reference)) < LEAST_PATCHES:
                continue
            where = self.scale.main_mask
            yield (
                Quantity(TIER, "Frechet distance", "", name, where, better="lower"),
                frechet_distance(mine, reference),
            )
            yield (
                Quantity(TIER, "kernel distance", "", name, where, better="near zero"),
                kernel_distance(mine, reference),
            )


def _together(parts: Sequence[Features]) -> Features:
    return np.concatenate(list(parts)) if parts else np.zeros((0, 1))


def _gradient(image: Image) -> Image:
    size: Image = ndimage.gaussian_gradient_magnitude(image, 1.0)
    return size


def _sharp_edges(reference: Image, main: Mask, scale: SeriesScale) -> Mask:
    """The steepest 5 % of the reference within the mask, of a reference that noise hardly reaches."""
    slope = ndimage.gaussian_gradient_magnitude(reference.astype(np.float32), 2.0)
    limit = np.percentile(slope[main], 100 - SHARP_EDGES_PERCENT)
    edges: Mask = main & (slope >= max(float(limit), 1e-6 * scale.width))
    return edges
