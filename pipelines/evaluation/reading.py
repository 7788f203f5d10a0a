"""Tier 3 on patients' own slices: spots that appear from nothing, and threshold segmentations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from pipelines.evaluation.figures import INPUT, RESULT, Quantity, Sums
from pipelines.evaluation.scale import LEAST_PIXELS, SeriesScale
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.blobs import count_blobs
from pipelines.measures.overlap import dice, segment

TIER = 3
BLOB_HU = 30.0
BLOB_OF_WINDOW = 0.08
CLEAR_OF_EDGE_PIXELS = 5
SQUARE_CM = 100.0


@dataclass
class Reading:
    """Watches one series go by."""

    subject: Subject
    scale: SeriesScale
    sums: Sums = field(default_factory=Sums)

    def observe(self, triple: Triple, masks: Mapping[str, Mask]) -> None:
        main = masks.get(self.scale.main_mask)
        if main is None:
            return
        images = {RESULT: triple.result * np.float32(self.scale.gain)}
        if self.subject.keeps_values:
            images[INPUT] = triple.source
        for name, image in images.items():
            self.sums.add(dict(self._blobs(name, image, triple.reference, masks)))
            if self.scale.in_hu:
                self.sums.add(dict(self._overlap(name, image, triple.reference, main)))

    def values(self) -> dict[Quantity, float]:
        return self.sums.means()

    def _blobs(
        self, name: str, image: Image, reference: Image, masks: Mapping[str, Mask]
    ) -> Iterator[tuple[Quantity, float]]:
        where = "soft tissue" if self.scale.in_hu else self.scale.main_mask
        if where not in masks:
            return
        mask = masks[where]
        if not self.scale.in_hu:
            mask = ndimage.binary_erosion(mask, iterations=CLEAR_OF_EDGE_PIXELS)
        area_cm2 = np.count_nonzero(mask) * self.subject.spacing_mm**2 / 100.0
        if area_cm2 <= 0:
            return
        contrast = BLOB_HU if self.scale.in_hu else BLOB_OF_WINDOW * self.scale.width
        counted = count_blobs(image, reference, mask, contrast, self.subject.spacing_mm)
        rate = SQUARE_CM * counted.from_nothing / area_cm2
        what = f"6 mm spots from nothing, {self.scale.in_unit(contrast):g} {self.scale.unit} or more"
        yield Quantity(TIER, what, "per 100 cm2", name, where, better="lower"), rate

    def _overlap(
        self, name: str, image: Image, reference: Image, body: Mask
    ) -> Iterator[tuple[Quantity, float]]:
        mine, theirs = segment(image, body), segment(reference, body)
        for tissue, mask in theirs.items():
            if np.count_nonzero(mask) >= LEAST_PIXELS:
                quantity = Quantity(TIER, "Dice of threshold segmentation", "", name, tissue, better="higher")
                yield quantity, dice(mine[tissue], mask)
