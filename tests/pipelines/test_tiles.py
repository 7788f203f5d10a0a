from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.network import Tensor
from pipelines.sampling.chance import Chance
from pipelines.tiles import Blend, TiledNetwork, gaussian_weights, tile_origins

sides = st.integers(1, 40)


def same(batch: Tensor, chances: Sequence[Chance]) -> Tensor:
    return batch[:, :1]


def chances(batch: Tensor) -> list[Chance]:
    space = batch.shape[2:]
    return [Chance(0, 0, index, space, (0,) * len(space)) for index in range(len(batch))]


@settings(max_examples=100, deadline=None)
@given(
    whole=st.tuples(sides, sides),
    tile=st.tuples(sides, sides),
    overlap=st.floats(0, 0.9),
    multiple=st.integers(1, 8),
)
def test_tiles_cover_everything_and_begin_at_multiples(
    whole: tuple[int, int], tile: tuple[int, int], overlap: float, multiple: int
) -> None:
    whole = (whole[0] * multiple, whole[1] * multiple)
    tile = (min(tile[0] * multiple, whole[0]), min(tile[1] * multiple, whole[1]))
    covered = np.zeros(whole, int)
    for row, column in tile_origins(whole, tile, overlap, multiple):
        assert row % multiple == column % multiple == 0
        covered[row : row + tile[0], column : column + tile[1]] += 1
    assert covered.min() >= 1


@settings(max_examples=50, deadline=None)
@given(
    value=st.floats(-5000, 5000, width=32),
    whole=st.tuples(sides, sides, sides),
    tile=st.tuples(sides, sides, sides),
    overlap=st.floats(0, 0.8),
)
def test_a_constant_volume_comes_back_exactly(
    value: float, whole: tuple[int, int, int], tile: tuple[int, int, int], overlap: float
) -> None:
    batch = np.full((1, 1, *(min(side, 20) for side in whole)), value, np.float32)
    result = TiledNetwork(same, tile, overlap)(batch, chances(batch))
    np.testing.assert_array_equal(result, batch)


def test_the_blend_is_the_gaussian_weighted_mean_in_whatever_order_tiles_come() -> None:
    rng = np.random.default_rng(3)
    weights = gaussian_weights((8, 12))
    origins = tile_origins((20, 31), (8, 12), 0.6)
    tiles = [rng.normal(size=(2, 1, 8, 12)).astype(np.float32) for _ in origins]
    summed, total = np.zeros((2, 1, 20, 31)), np.zeros((20, 31))
    for (row, column), tile in zip(origins, tiles, strict=True):
        summed[..., row : row + 8, column : column + 12] += tile * weights.astype(float)
        total[row : row + 8, column : column + 12] += weights
    for order in (range(len(origins)), reversed(range(len(origins))), rng.permutation(len(origins))):
        blend = Blend((2, 1, 20, 31), weights)
        for place in order:
            blend.add(origins[place], tiles[place])
        np.testing.assert_allclose(blend.values, summed / total, atol=1e-5)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_bytes_do_not_depend_on_how_many_tiles_run_at_once(workers: int) -> None:
    batch = np.random.default_rng(0).normal(size=(1, 2, 40, 50)).astype(np.float32)

    def edges(tile: Tensor, chances: Sequence[Chance]) -> Tensor:
        return np.cumsum(tile[:, :1], axis=2)

    alone = TiledNetwork(edges, (16, 16), 0.5)(batch, chances(batch))
    wide = TiledNetwork(edges, (16, 16), 0.5, workers=workers)(batch, chances(batch))
    assert wide.tobytes() == alone.tobytes()


def test_each_tile_gets_its_own_cut_of_the_noise() -> None:
    batch = np.zeros((2, 1, 24, 24), np.float32)

    def noise(tile: Tensor, chances: Sequence[Chance]) -> Tensor:
        return np.stack([chance.normal(0, 1, tile.shape[2:]) for chance in chances])

    tiled = TiledNetwork(noise, (8, 8), 0.5)(batch, chances(batch))
    np.testing.assert_allclose(tiled, noise(batch, chances(batch)), atol=1e-6)


def test_a_tile_larger_than_the_image_is_the_image() -> None:
    batch = np.random.default_rng(0).normal(size=(1, 1, 5, 7)).astype(np.float32)
    np.testing.assert_array_equal(TiledNetwork(same, (64, 64), 0.5)(batch, chances(batch)), batch)


def test_weights_fall_from_the_middle_and_never_vanish() -> None:
    weights = gaussian_weights((9, 17))
    assert weights[4, 8] == weights.max() == 1
    assert weights.min() == np.float32(1e-3)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
