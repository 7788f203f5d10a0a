"""Tier 1, of pipelines that answer more than once: does their spread say where they err, and how much?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipelines.evaluation.figures import RESULT, Better, Quantity, Sums
from pipelines.evaluation.scale import SeriesScale
from pipelines.evaluation.subject import Mask, Triple
from pipelines.measures.spread import spread_figures

TIER = 1


@dataclass
class Uncertainty:
    """Watches one series go by; has no values where the pipeline states no spread."""

    scale: SeriesScale
    sums: Sums = field(default_factory=Sums)

    def observe(self, triple: Triple, masks: Mapping[str, Mask]) -> None:
        main = masks.get(self.scale.main_mask)
        if main is None or triple.spread is None:
            return
        gain = np.float32(self.scale.gain)
        found = spread_figures(gain * triple.result - triple.reference, gain * triple.spread, main)
        unit, in_unit = self.scale.unit, self.scale.in_unit
        named: tuple[tuple[str, str, float, Better], ...] = (
            ("spread, root mean square", unit, in_unit(found["rms spread"]), "neither"),
            ("spread / error", "", found["ratio"], "near one"),
            ("errors within one spread", "% of pixels", found["within one"], "neither"),
            ("errors within two spreads", "% of pixels", found["within two"], "neither"),
            ("correlation of spread and error", "", found["correlation"], "higher"),
        )
        where = self.scale.main_mask
        self.sums.add(
            {
                Quantity(TIER, figure, unit, RESULT, where, better=better): value
                for figure, unit, value, better in named
            }
        )

    def values(self) -> dict[Quantity, float]:
        """Means over the slices observed."""
        return self.sums.means()
