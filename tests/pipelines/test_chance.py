from dataclasses import replace

import numpy as np

from pipelines.sampling.chance import START, Chance, normal_batch

CHANCE = Chance(seed=5, sample=0, slice_index=3, whole=(16, 24), origin=(0, 0))


def test_the_same_place_and_seed_give_the_same_noise_alone_or_in_a_batch() -> None:
    others = [replace(CHANCE, slice_index=index) for index in range(6)]
    batch = normal_batch(others, START, 2, (16, 24))
    np.testing.assert_array_equal(batch[3], CHANCE.normal(START, 2, (16, 24)))
    assert batch.shape == (6, 2, 16, 24)
    assert batch.dtype == np.float32


def test_seed_sample_slice_and_purpose_each_change_the_noise() -> None:
    drawn = [
        CHANCE.normal(START, 1, (16, 24)),
        CHANCE.normal(START + 1, 1, (16, 24)),
        replace(CHANCE, seed=9).normal(START, 1, (16, 24)),
        replace(CHANCE, sample=9).normal(START, 1, (16, 24)),
        replace(CHANCE, slice_index=9).normal(START, 1, (16, 24)),
    ]
    for place, noise in enumerate(drawn):
        assert all(abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.2 for other in drawn[:place])


def test_the_opposite_chance_is_the_same_noise_with_the_other_sign() -> None:
    opposite = replace(CHANCE, opposite=True)
    np.testing.assert_array_equal(opposite.normal(START, 2, (16, 24)), -CHANCE.normal(START, 2, (16, 24)))
    np.testing.assert_array_equal(
        opposite.at((4, 8)).normal(START, 1, (8, 8)), -CHANCE.at((4, 8)).normal(START, 1, (8, 8))
    )


def test_a_tile_takes_its_cut_of_the_whole_slices_noise() -> None:
    whole = CHANCE.normal(START, 1, (16, 24))
    np.testing.assert_array_equal(CHANCE.at((4, 8)).normal(START, 1, (8, 8)), whole[:, 4:12, 8:16])


def test_noise_of_latents_is_cut_at_the_latents_own_scale() -> None:
    whole = CHANCE.normal(START, 4, (4, 6), downscale=4)
    np.testing.assert_array_equal(CHANCE.at((8, 4)).normal(START, 4, (2, 2), 4), whole[:, 2:4, 1:3])


def test_the_noise_is_standard_normal() -> None:
    noise = replace(CHANCE, whole=(300, 300)).normal(START, 1, (300, 300))
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02


def test_the_noise_of_a_seed_never_changes_between_versions() -> None:
    first = Chance(0, 0, 0, (2, 2), (0, 0)).normal(START, 1, (2, 2))
    np.testing.assert_allclose(first.ravel(), FIRST_DRAW, atol=1e-6)


FIRST_DRAW = [-0.24822916, -0.02676702, -1.94441628, 0.52457798]
