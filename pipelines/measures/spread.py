"""How far a result's stated uncertainty agrees with its error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipelines.measures.regions import Image, Mask

SQUARE = 8
LEAST_SQUARES = 16


def spread_figures(error: Image, spread: Image, mask: Mask) -> Mapping[str, float]:
    """Of one slice: (rows, columns) of result minus reference and of one standard deviation, in one unit.

    Root mean squares of both; their ratio; how many percent of the pixels have an error within one and two
    spreads (68 and 95 for an honest Gaussian spread); the correlation of both maps as root mean squares over
    squares of 8 x 8 pixels that lie within the mask, not a number where these are fewer than 16.
    """
    errors, spreads = error[mask].astype(np.float64), spread[mask].astype(np.float64)
    sizes = [float(np.sqrt(np.mean(values**2))) for values in (spreads, errors)]
    size = np.abs(errors)
    return {
        "rms spread": sizes[0],
        "rms error": sizes[1],
        "ratio": sizes[0] / sizes[1] if sizes[1] > 0 else float("nan"),
        "within one": 100.0 * float(np.mean(size <= spreads)),
        "within two": 100.0 * float(np.mean(size <= 2 * spreads)),
        "correlation": map_correlation(error, spread, mask),
    }


def map_correlation(error: Image, spread: Image, mask: Mask) -> float:
    """Of the root mean squares of squares of 8 x 8 pixels."""
    whole = squares(mask.astype(np.float64)) == 1.0
    if np.count_nonzero(whole) < LEAST_SQUARES:
        return float("nan")
    maps = [np.sqrt(squares(np.square(image, dtype=np.float64)))[whole] for image in (error, spread)]
    if min(float(np.ptp(each)) for each in maps) == 0.0:
        return float("nan")
    return float(np.corrcoef(*maps)[0, 1])


def squares(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over 8 x 8 pixels; a rim that fills no square is left out."""
    rows, columns = (length // SQUARE for length in image.shape)
    blocks = image[: rows * SQUARE, : columns * SQUARE].reshape(rows, SQUARE, columns, SQUARE)
    means: NDArray[np.float64] = blocks.mean((1, 3))
    return means
