"""Does each result lie where its source lies: not mirrored, not another slice's, not inverted?

Each result is held against its own source, against that source mirrored, and against the slices around it.
Only the difference between such comparisons is judged, so noise and anatomy cancel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from pipelines.blocks import Blocks, SliceBlocks

AROUND = 5
"""Slices back that a result is held against."""
LEAST = 1e-6

Distance = Callable[[Blocks, Blocks], float]


@dataclass(frozen=True)
class Alignment:
    """Of one slice; ratios above 1 are as they should be, below 1 something else fits better."""

    correlation: float | None
    """Of result and source over the measured blocks; None where the source does not vary."""
    likeness: float | None
    """Correlation of the source with the source before it."""
    mirrored: float
    """Distance to the nearest mirror image of the source, over that to the source itself."""
    exchanged: tuple[tuple[int, float], ...]
    """Number of slices back, and the distances crosswise over the distances straight (geometric means)."""
    shifted: tuple[tuple[int, float], ...]
    """Number of slices (negative: back), and the distance to that slice's source over that to its own."""


@dataclass
class Aligner:
    """Remembers the last few slices of a series that goes by in order."""

    keeps_values: bool
    """Whether results resemble their sources in value; a translation only does so in its edges."""
    _before: Blocks | None = None
    _passed: deque[tuple[Blocks, Blocks, float]] = field(default_factory=lambda: deque(maxlen=AROUND))

    def observe(self, blocks: SliceBlocks) -> Alignment | None:
        """None where one of the two is flat, so that nothing can be compared."""
        source, result = blocks.source, blocks.source + blocks.shift
        correlation = _correlation(source[blocks.measured], result[blocks.measured])
        likeness, self._before = self._likeness(source), source
        if not self.keeps_values:
            source, result = _edges(source), _edges(result)
        if not (np.ptp(source) > 0 and np.ptp(result) > 0):
            self._passed.clear()
            return None
        own = self._distance(source, result)
        mirrors = (source[:, ::-1], source[::-1], source[::-1, ::-1])
        mirrored = min(self._distance(mirror, result) for mirror in mirrors) / own
        around = [(back, self._beside(source, result, own, back)) for back in range(1, len(self._passed) + 1)]
        self._passed.append((source, result, own))
        return Alignment(
            correlation=correlation,
            likeness=likeness,
            mirrored=mirrored,
            exchanged=tuple((back, both) for back, (both, _, _) in around),
            shifted=tuple(
                pair for back, (_, here, there) in around for pair in ((-back, here), (back, there))
            ),
        )

    def _likeness(self, source: Blocks) -> float | None:
        if self._before is None or self._before.shape != source.shape:
            return None
        return _correlation(source.ravel(), self._before.ravel())

    def _beside(self, source: Blocks, result: Blocks, own: float, back: int) -> tuple[float, float, float]:
        """Crosswise with the slice so far back; that slice's source for our result; ours for its result."""
        other_source, other_result, other_own = self._passed[-back]
        here = self._distance(other_source, result)
        there = self._distance(source, other_result)
        return sqrt(here * there / (own * other_own)), here / own, there / other_own

    def _distance(self, source: Blocks, result: Blocks) -> float:
        if source.shape != result.shape:
            return float("inf")
        if self.keeps_values:
            return max(float(np.abs(source - result).mean()), LEAST)
        return max(1 - (_correlation(source.ravel(), result.ravel()) or 0.0), LEAST)


def _edges(values: Blocks) -> Blocks:
    along_rows, along_columns = np.gradient(values)
    size: Blocks = np.sqrt(along_rows**2 + along_columns**2)
    return size


def _correlation(one: Blocks, other: Blocks) -> float | None:
    """Pearson's; sums of products rather than dot products, since BLAS would wake threads."""
    if one.size < 2:
        return None
    one, other = one - one.mean(), other - other.mean()
    variances = float((one * one).sum()) * float((other * other).sum())
    return float((one * other).sum()) / sqrt(variances) if variances > 0 else None
