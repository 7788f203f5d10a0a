"""What was made faster gives the figures of the plain way to the bit: limits and pictures rest on them."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.blocks import BLOCK, middle
from pipelines.gate.measured import patches_of
from pipelines.measures.fourier_ring import PATCH, correlate
from pipelines.out_of_distribution.thumbnail import SIDE, shrunk
from pipelines.restraint import weighted

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 5001, 16384])
def test_the_middle_is_numpys_median_to_the_bit(count: int) -> None:
    values = RANDOM.normal(0, 40, count).astype(np.float32)
    assert middle(values) == float(np.median(values))


@pytest.mark.parametrize("times", [1, 2, 3, 4, 8])
def test_a_thumbnail_of_whole_pixels_is_that_of_reduceat(times: int) -> None:
    values = RANDOM.normal(0, 300, (times * SIDE, times * SIDE)).astype(np.float32)
    plain = values
    for axis in (0, 1):
        sums = np.add.reduceat(plain, np.arange(0, times * SIDE, times), axis)
        plain = (sums / np.float32(times)).astype(np.float32)
    assert np.array_equal(shrunk(values, -1e6), plain)


def test_patches_of_blocks_lie_where_their_pixels_do() -> None:
    rows, columns = 40, 33
    row_of = np.broadcast_to(np.arange(rows)[:, np.newaxis], (rows, columns))
    firsts = patches_of(row_of)[:, 0, 0, 0] * BLOCK
    assert firsts.tolist() == [0, 48, 96]
    assert patches_of(row_of).shape == (3, 2, PATCH // BLOCK, PATCH // BLOCK)


def test_correlation_curves_are_those_of_double_precision() -> None:
    image = RANDOM.normal(0, 30, (160, 160)).astype(np.float32)
    reference = image + RANDOM.normal(0, 15, (160, 160)).astype(np.float32)
    places = [(0, 0), (48, 48), (96, 96)]
    found = correlate(image, reference, places).curves
    doubled = correlate(image.astype(np.float64), reference.astype(np.float64), places).curves
    assert np.abs(found - doubled).max() < 1e-5


def test_weights_hold_in_whole_blocks_and_leave_the_rest() -> None:
    change = RANDOM.normal(0, 30, (10, 13)).astype(np.float32)
    weights = RANDOM.random((2, 3)).astype(np.float32)
    expected = change.copy()
    expected[:8, :12] *= weights.repeat(BLOCK, 0).repeat(BLOCK, 1)
    assert np.array_equal(weighted(change, weights), expected)
