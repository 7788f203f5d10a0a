"""Features against the published values of the IBSI's digital phantom (arXiv 1612.07003, section 5.1)."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.measures.radiomics import (
    co_occurrence_features,
    discretised,
    first_order,
    mean_of,
)

# (z, y, x); 0 marks what lies outside the region of interest.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=np.uint8,
)

FIRST_ORDER = {
    "mean": 2.15,
    "variance": 3.05,
    "skewness": 1.08,
    "kurtosis": -0.355,
    "10th percentile": 1.0,
    "90th percentile": 4.0,
    "entropy": 1.27,
    "uniformity": 0.512,
}
CO_OCCURRENCE = {  # "2D, averaged"
    "joint average": 2.14,
    "joint entropy": 2.05,
    "angular second moment": 0.368,
    "contrast": 5.28,
    "inverse difference": 0.678,
    "inverse difference moment": 0.619,
    "correlation": -0.0121,
}


@pytest.mark.parametrize(("name", "published"), FIRST_ORDER.items())
def test_first_order_feature_is_the_published_one(name: str, published: float) -> None:
    assert float(f"{first_order(PHANTOM[PHANTOM > 0])[name]:.3g}") == pytest.approx(published)


@pytest.mark.parametrize(("name", "published"), CO_OCCURRENCE.items())
def test_co_occurrence_feature_is_the_published_one(name: str, published: float) -> None:
    found = mean_of([co_occurrence_features(levels, levels > 0) for levels in PHANTOM])
    assert float(f"{found[name]:.3g}") == pytest.approx(published)


def test_values_outside_the_window_fall_into_the_first_and_the_last_level() -> None:
    levels = discretised(np.array([[-500.0, 0.0, 24.9, 25.0, 900.0]], np.float32), (0.0, 100.0), 25.0)
    assert levels.tolist() == [[1, 1, 1, 2, 4]]


def test_a_bin_width_that_gives_too_many_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="grey levels"):
        discretised(np.zeros((2, 2), np.float32), (0.0, 1000.0), 1.0)


def test_a_mask_without_neighbours_has_no_co_occurrence() -> None:
    lonely = np.zeros((5, 5), bool)
    lonely[2, 2] = True
    assert co_occurrence_features(np.ones((5, 5), np.uint8), lonely) == {}
