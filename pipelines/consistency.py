"""Data consistency: what the source already shows reliably, the result keeps.

Without raw data the source image is all that was measured. Its coarse structure and mean values have little
noise (the noise of filtered back-projection rises with frequency: Riederer, Pelc and Chesler 1978, Phys Med
Biol 23:446), so a denoiser has no reason to change them, and a generative one no right to. Two kinds take
the coarse part of the change back and leave the fine part: the low-pass kind as in ILVR (Choi et al. 2021,
arXiv 2108.02938), there at each sampling step, here on the finished slice. The third kind, `Restraint`, takes
back what may not be noise, whatever its scale.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import pi
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipelines.manifest_part import ManifestPart
from pipelines.restraint import Restraint
from pipelines.volume import SliceGrid, SliceResult

Mask = NDArray[np.bool_]
Values = NDArray[np.float32]
PixelSpacing = tuple[float, float]


class LowPass(ManifestPart):
    """The slice keeps its source's spatial frequencies up to CutoffPerMm exactly.

    From there the share of the source falls by a squared cosine, to nothing at twice the cut-off. Slices are
    continued by their mirror image, so no side leaks into the opposite one.
    """

    kind: Literal["low-pass"]
    cutoff_per_mm: float = Field(gt=0)
    """Cycles per millimetre, in every direction of the slice."""

    def taken_back(self, source: Values, change: Values, measured: Mask, grid: SliceGrid) -> Values:
        """The part of (rows, columns) `change` to take back."""
        doubled = np.pad(change, [(0, side) for side in change.shape], mode="symmetric")
        spectrum = np.fft.rfft2(doubled)
        spectrum *= _low_pass_weights(self.cutoff_per_mm, doubled.shape, grid.pixel_spacing_mm)
        low: Values = np.fft.irfft2(spectrum, doubled.shape).astype(np.float32)
        return low[: change.shape[0], : change.shape[1]]


class LocalMean(ManifestPart):
    """Each pixel is moved by the mean change over the window around it.

    A shift that is constant, or away from the edges linear, over a window is undone; anything much finer than
    the window stays. Nothing further away than half a window has a say, and padded pixels have none.
    """

    kind: Literal["mean"]
    window_mm: float = Field(gt=0)
    """Side of the square window, brought to the nearest odd number of pixels."""

    def taken_back(self, source: Values, change: Values, measured: Mask, grid: SliceGrid) -> Values:
        """The part of (rows, columns) `change` to take back; 0 where nothing around was measured."""
        reach = [round((self.window_mm / spacing - 1) / 2) for spacing in grid.pixel_spacing_mm]
        counted = _sums(measured.astype(np.float64), reach)
        total = _sums(np.where(measured, change, 0.0).astype(np.float64), reach)
        return (total / np.maximum(counted, 1)).astype(np.float32)


Consistency = Annotated[LowPass | LocalMean | Restraint, Field(discriminator="kind")]


def consistent(
    declared: LowPass | LocalMean | Restraint | None, result: SliceResult, grid: SliceGrid
) -> SliceResult:
    """`result` less what is taken back of its change; padded pixels and any spread stay as they are."""
    if declared is None:
        return result
    padding = result.source.padding
    measured = ~padding if padding is not None else np.ones(result.values.shape, np.bool_)
    source = result.source.values
    back = declared.taken_back(source, result.values - source, measured, grid)
    values = result.values - back
    return replace(result, values=values if padding is None else np.where(measured, values, result.values))


@lru_cache(maxsize=4)
def _low_pass_weights(cutoff_per_mm: float, shape: tuple[int, ...], spacing_mm: PixelSpacing) -> Values:
    """The source's share at each place of a real spectrum; the same for every slice of a series."""
    by_row = np.fft.fftfreq(shape[0], spacing_mm[0])
    by_column = np.fft.rfftfreq(shape[1], spacing_mm[1])
    beyond = np.clip(np.hypot(by_row[:, np.newaxis], by_column) / cutoff_per_mm - 1, 0, 1)
    weights: Values = (np.cos(beyond * pi / 2) ** 2).astype(np.float32)
    return weights


def _sums(values: NDArray[np.float64], reach: list[int]) -> NDArray[np.float64]:
    """Over the window of 2 * reach + 1 around each place, cut at the edges."""
    for axis, away in enumerate(reach):
        running = np.moveaxis(np.cumsum(values, axis), axis, 0)
        running = np.concatenate([np.zeros_like(running[:1]), running])
        places = np.arange(len(running) - 1)
        upper = np.minimum(places + away + 1, len(places))
        sums = running[upper] - running[np.maximum(places - away, 0)]
        values = np.moveaxis(sums, 0, axis)
    return values
