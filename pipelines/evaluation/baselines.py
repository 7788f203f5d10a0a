"""What a pipeline has to beat: the input itself, non-local means, a translation's intensity lookup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Image, Mask, Subject, Triple
from pipelines.measures.differences import rmse
from pipelines.measures.noise_level import noise_level

NoiseKnowledge = Literal["estimated", "oracle"]
PATCH_PIXELS, REACH_PIXELS = 5, 6
STRENGTH = 0.8
"""h over the noise, as scikit-image's documentation advises where the noise is known."""
ORACLE_STRENGTHS = (0.45, 0.7, 1.0)
LOOKUP_BINS = 256


def non_local_means(triple: Triple, mask: Mask, spacing_mm: float, knows: NoiseKnowledge) -> Image:
    """Non-local means (Buades, Coll and Morel 2005), patches of 5, reach of 6 pixels.

    `estimated`: told the input's noise as `noise_level` finds it, h = 0.8 of it. `oracle`: told the true
    deviation of input minus reference in the mask, and the best of three h by the true RMSE.
    """
    if knows == "estimated":
        noise = noise_level(triple.source, mask, spacing_mm)
        return _filtered(triple.source, noise, STRENGTH)
    noise = float(np.std((triple.source - triple.reference)[mask]))
    tried = [_filtered(triple.source, noise, strength) for strength in ORACLE_STRENGTHS]
    return min(tried, key=lambda image: rmse(image, triple.reference, mask))


def _filtered(image: Image, noise: float, strength: float) -> Image:
    if noise <= 0:
        return image
    filtered: Image = denoise_nl_means(
        image,
        patch_size=PATCH_PIXELS,
        patch_distance=REACH_PIXELS,
        h=strength * noise,
        sigma=noise,
        fast_mode=True,
    ).astype(np.float32)
    return filtered


@dataclass(frozen=True)
class IntensityLookup:
    """The best translation that looks at nothing but a pixel's own intensity, told the answer.

    For each of 256 intensities of the source, the mean of the reference in this very series: no curve from
    intensity to intensity has a smaller squared error, so a translation that beats it has seen anatomy.
    """

    edges: NDArray[np.float64]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, subject: Subject, scale: SeriesScale) -> IntensityLookup:
        found = list(_foreground_pixels(subject, scale))
        source = np.concatenate([pixels[0] for pixels in found]) if found else np.zeros(1)
        reference = np.concatenate([pixels[1] for pixels in found]) if found else np.zeros(1)
        edges = np.unique(np.quantile(source, np.linspace(0, 1, LOOKUP_BINS + 1)[1:-1]))
        place = np.searchsorted(edges, source, side="right")
        counts = np.bincount(place, minlength=edges.size + 1)
        sums = np.bincount(place, reference, edges.size + 1)
        return cls(edges, sums / np.maximum(counts, 1))

    def __call__(self, source: Image) -> Image:
        translated: Image = self.means[np.searchsorted(self.edges, source, side="right")].astype(np.float32)
        return translated


def _foreground_pixels(subject: Subject, scale: SeriesScale) -> Iterator[tuple[Image, Image]]:
    for triple in subject.triples():
        mask = scale.masks(triple).get(scale.main_mask)
        if mask is not None:
            yield triple.source[mask], triple.reference[mask]
