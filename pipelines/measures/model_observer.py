"""The channelized Hotelling observer: how well the best linear reader tells signal from no signal.

d'^2 = (difference of channel means)^T (covariance)^-1 (difference), (Barrett and Myers, Foundations of Image
Science, 14.3). Estimated from images it comes out too high; for Gaussian channel outputs the bias is known
exactly and taken away; the interval follows from the noncentral F distribution (Wunderlich et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import betainc

from pipelines.measures.channels import Channels

Squares = NDArray[np.float64]
"""(images, side, side)."""
LARGEST_DETECTABILITY = 200.0


@dataclass(frozen=True)
class Detectability:
    """d' with its exact 95 % interval."""

    d_prime: float
    low95: float
    high95: float

    @property
    def area_under_curve(self) -> float:
        """Of the receiver operating characteristic: the share of pairs the observer orders rightly."""
        return float(stats.norm.cdf(self.d_prime / sqrt(2)))


def detectability(present: Squares, absent: Squares, channels: Channels) -> Detectability:
    """Of images with the signal in their middle against images without it.

    Raises ValueError when there are fewer than twice as many images as channels.
    """
    with_signal, without = (_outputs(squares, channels) for squares in (present, absent))
    n1, n0, count = len(with_signal), len(without), channels.shape[1]
    free = n1 + n0 - 2
    if free < 2 * count:
        raise ValueError(f"{n1 + n0} images for {count} channels; at least {2 * count + 2} are needed")
    difference = with_signal.mean(axis=0) - without.mean(axis=0)
    scatter = (n1 - 1) * np.cov(with_signal.T) + (n0 - 1) * np.cov(without.T)
    squared = float(difference @ np.linalg.solve(scatter / free, difference))
    unbiased = (free - count - 1) / free * squared - count * (1 / n1 + 1 / n0)
    low, high = _interval(squared, count, n1, n0)
    return Detectability(sqrt(max(unbiased, 0.0)), low, high)


def ideal_detectability(signal: Squares, covariance: Squares, channels: Channels) -> float:
    """The observer's d' where signal (side, side) and covariance (pixels, pixels) are known exactly."""
    seen = channels.T @ signal.ravel()
    return sqrt(float(seen @ np.linalg.solve(channels.T @ covariance @ channels, seen)))


def _outputs(squares: Squares, channels: Channels) -> Squares:
    outputs: Squares = squares.reshape(len(squares), -1).astype(np.float64) @ channels
    return outputs


def _interval(squared: float, count: int, n1: int, n0: int) -> tuple[float, float]:
    """The d' at which what was found would lie at the upper and at the lower 2.5 %."""
    weight = n1 * n0 / (n1 + n0)
    second = n1 + n0 - count - 1
    f = squared * weight * second / (count * (n1 + n0 - 2))

    def bound(probability: float) -> float:
        def excess(d_prime: float) -> float:
            return noncentral_f(f, count, second, weight * d_prime**2) - probability

        if excess(0.0) <= 0:
            return 0.0
        highest = 2.0 * sqrt(squared) + 2.0
        return float(brentq(excess, 0.0, min(highest, LARGEST_DETECTABILITY), xtol=1e-6))

    return bound(0.975), bound(0.025)


def noncentral_f(f: float, first: int, second: int, noncentrality: float) -> float:
    """Cumulative distribution as a Poisson mixture of beta distributions; scipy's own gives NaN for the large
    noncentralities that many images make.
    """
    half = noncentrality / 2
    reach = 10 * sqrt(half) + 30
    terms = np.arange(max(0, int(half - reach)), int(half + reach))
    share = first * f / (first * f + second)
    return float((stats.poisson.pmf(terms, half) * betainc(first / 2 + terms, second / 2, share)).sum())
