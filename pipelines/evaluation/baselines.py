"""What a denoiser has to beat: non-local means and total variation, told as much of the noise as wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from pipelines.evaluation.figures import NLM, TV
from pipelines.evaluation.subject import Image, Mask, Triple
from pipelines.measures.differences import rmse
from pipelines.measures.noise_level import noise_level
from pipelines.measures.regions import box_around

NoiseKnowledge = Literal["estimated", "oracle"]
Baseline = Literal["nlm", "tv"]
PATCH_PIXELS, REACH_PIXELS = 5, 6
ITERATIONS = 100
ORACLE_STRENGTHS = (0.45, 0.7, 1.0)
"""Over the noise: h of non-local means, the weight of total variation."""


@dataclass(frozen=True)
class Filter:
    """A way to denoise a slice, given the noise and a strength in units of it."""

    image: str
    filtered: Callable[[Image, float, float], Image]
    usual: float
    """Strength where the noise is estimated."""


def non_local_means(image: Image, noise: float, strength: float) -> Image:
    """Buades, Coll and Morel 2005: patches of 5, reach of 6 pixels."""
    filtered: Image = denoise_nl_means(
        image,
        patch_size=PATCH_PIXELS,
        patch_distance=REACH_PIXELS,
        h=strength * noise,
        sigma=noise,
        fast_mode=True,
    ).astype(np.float32)
    return filtered


def total_variation(image: Image, noise: float, strength: float) -> Image:
    """Rudin, Osher and Fatemi 1992, by Chambolle's projections (2004)."""
    filtered: Image = denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        image, weight=strength * noise, max_num_iter=ITERATIONS
    ).astype(np.float32)
    return filtered


FILTERS: Mapping[Baseline, Filter] = MappingProxyType(
    {"nlm": Filter(NLM, non_local_means, 0.8), "tv": Filter(TV, total_variation, 0.7)}
)


@dataclass(frozen=True)
class Baselines:
    """Which filters, and what they are told.

    `estimated`: the input's noise as `noise_level` finds it. `oracle`: the true deviation of input minus
    reference in the mask, and the best of three strengths by the true RMSE.
    """

    names: tuple[Baseline, ...] = ("nlm", "tv")
    knows: NoiseKnowledge = "estimated"

    def images(self, triple: Triple, mask: Mask, spacing_mm: float) -> Iterator[tuple[str, Image]]:
        """By name of the image; computed in the box around the mask, outside of it the source as it is."""
        if self.knows == "estimated":
            noise = noise_level(triple.source, mask, spacing_mm)
        else:
            noise = float(np.std((triple.source - triple.reference)[mask]))
        for name in self.names:
            chosen = FILTERS[name]
            strengths = (chosen.usual,) if self.knows == "estimated" else ORACLE_STRENGTHS
            tried = [_boxed(chosen, triple.source, mask, noise, strength) for strength in strengths]
            yield chosen.image, min(tried, key=lambda image: rmse(image, triple.reference, mask))


def _boxed(chosen: Filter, image: Image, mask: Mask, noise: float, strength: float) -> Image:
    if noise <= 0:
        return image
    box, found = box_around(mask), image.copy()
    found[box] = chosen.filtered(image[box], noise, strength)
    return found
