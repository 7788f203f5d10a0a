"""An uncertainty beside the error it is about."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.measures.spread import spread_figures

SHAPE = (128, 136)
EVERYWHERE = np.ones(SHAPE, np.bool_)


def spread() -> NDArray[np.float32]:
    """Larger to the right."""
    return np.tile(np.linspace(1.0, 9.0, SHAPE[1]), (SHAPE[0], 1)).astype(np.float32)


def error(times: float = 1.0) -> NDArray[np.float32]:
    """Gaussian, of that many spreads."""
    drawn = np.random.default_rng(1).normal(0, 1, SHAPE)
    return (times * drawn * spread()).astype(np.float32)


def test_an_honest_spread_covers_what_a_gaussian_does() -> None:
    found = spread_figures(error(), spread(), EVERYWHERE)
    assert found["within one"] == pytest.approx(68.3, abs=1.5)
    assert found["within two"] == pytest.approx(95.4, abs=1.0)
    assert found["ratio"] == pytest.approx(1.0, rel=0.05)
    assert found["correlation"] > 0.9


def test_a_spread_that_is_too_small_covers_less() -> None:
    found = spread_figures(error(times=2.0), spread(), EVERYWHERE)
    assert found["ratio"] == pytest.approx(0.5, rel=0.05)
    assert found["within one"] < 45
    assert found["rms error"] == pytest.approx(2 * found["rms spread"], rel=0.05)


def test_a_spread_in_the_wrong_places_does_not_correlate() -> None:
    assert spread_figures(error(), spread()[:, ::-1], EVERYWHERE)["correlation"] < -0.5


def test_pixels_outside_the_mask_do_not_count() -> None:
    mask = EVERYWHERE.copy()
    mask[:, 64:] = False
    wrong = error()
    wrong[:, 64:] = 1e6
    assert spread_figures(wrong, spread(), mask) == spread_figures(error(), spread(), mask)


def test_a_mask_of_few_squares_has_no_correlation() -> None:
    mask = np.zeros(SHAPE, np.bool_)
    mask[:16, :16] = True
    assert np.isnan(spread_figures(error(), spread(), mask)["correlation"])
