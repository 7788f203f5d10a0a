"""Agreement of two ways to measure the same thing (Bland and Altman 1986)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """First minus second."""

    bias: float
    lower_limit: float
    upper_limit: float
    """Bias plus and minus 1.96 standard deviations: where 95 % of the differences lie if they are normal."""
    count: int


def bland_altman(differences: Sequence[float]) -> Agreement:
    """Raises ValueError for fewer than two."""
    if len(differences) < 2:
        raise ValueError(f"{len(differences)} pairs have no limits of agreement")
    bias, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    return Agreement(bias, bias - 1.96 * deviation, bias + 1.96 * deviation, len(differences))
