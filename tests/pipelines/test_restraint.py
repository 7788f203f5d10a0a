"""What a pipeline with Restraint leaves of the noise, and of detail that may be none."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipelines.consistency import consistent
from pipelines.manifest import Manifest
from pipelines.restraint import Restraint, SampledNoise
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.test_manifest import CT_DENOISE
from tests.pipelines.tiny_models import axial_grid

Values = NDArray[np.float32]
SIDE = 96
GRID = axial_grid(1, SIDE, SIDE, slice_thickness_mm=3.0)
TEXTURED = np.s_[:, SIDE // 2 :]
FLAT = np.s_[:, : SIDE // 2 - 8]
RESTRAINT = {"Kind": "restraint", "ShareRemoved": 0.003, "LeastNoiseLeft": 0.45}


def restraint(share_removed: float = 0.003, least_noise_left: float = 0.0) -> Restraint:
    return Restraint(Kind="restraint", ShareRemoved=share_removed, LeastNoiseLeft=least_noise_left)


def anatomy() -> Values:
    """Soft tissue of 40 HU; on the right half a lung's vessels, hundreds of HU strong."""
    shown = np.full((SIDE, SIDE), 40, np.float32)
    shown[TEXTURED] = -800 + 600 * (np.random.default_rng(5).random((SIDE, SIDE // 2)) > 0.8)
    return shown


def noise(size_hu: float) -> Values:
    return np.random.default_rng(6).normal(0, size_hu, (SIDE, SIDE)).astype(np.float32)


def restrained(
    declared: Restraint,
    source: Values,
    answer: Values,
    thickness_mm: float | None = 3.0,
    pixel_mm: float = 0.7,
) -> Values:
    grid = replace(GRID, slice_thickness_mm=thickness_mm, pixel_spacing_mm=(pixel_mm, pixel_mm))
    return consistent(declared, SliceResult(SliceValues(0, source), answer), grid).values


def share(kept: Values, source: Values, answer: Values, where: tuple[slice, slice]) -> float:
    """Of the network's change, how much stands."""
    return float(np.abs(kept - source)[where].sum() / np.abs(answer - source)[where].sum())


def noise_left(source: Values, kept: Values, measured: NDArray[np.bool_] | None = None) -> float:
    inside = np.ones(source.shape, np.bool_) if measured is None else measured
    sampled = SampledNoise.of(source, kept - source, inside)
    assert sampled is not None
    return sampled.left()


def test_a_change_stands_in_flat_tissue_and_is_taken_back_where_it_is_small_against_the_detail() -> None:
    source = anatomy() + noise(4)
    kept = restrained(restraint(), source, anatomy())
    assert share(kept, source, anatomy(), FLAT) > 0.99
    assert share(kept, source, anatomy(), TEXTURED) < 0.2


def test_in_the_same_detail_strong_noise_may_be_removed() -> None:
    source = anatomy() + noise(60)
    assert share(restrained(restraint(), source, anatomy()), source, anatomy(), TEXTURED) > 0.8


def test_half_of_the_change_stands_where_its_power_is_the_declared_share_of_the_variance() -> None:
    source = noise(20)
    answer = source * np.float32(1 - np.sqrt(0.01))
    kept = restrained(restraint(share_removed=0.01), source, answer)
    assert share(kept, source, answer, np.s_[:, :]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("left", [0.0, 0.2, 0.45, 0.7])
def test_so_much_noise_is_left_as_declared_and_no_more_than_the_network_left(left: float) -> None:
    source = 40 + noise(20)
    answer = 40 + np.float32(left) * noise(20)
    kept = restrained(restraint(least_noise_left=0.45), source, answer)
    assert noise_left(source, kept) == pytest.approx(max(left, 0.45), abs=0.01)


def test_so_much_noise_is_left_too_where_the_network_took_other_noise_than_there_was() -> None:
    source = 40 + noise(20)
    other = np.random.default_rng(7).normal(0, 12, source.shape).astype(np.float32)
    kept = restrained(restraint(least_noise_left=0.5), source, 40 + np.float32(0.2) * noise(20) + other)
    assert noise_left(source, kept) >= 0.5 - 0.01


@pytest.mark.parametrize(
    ("noise_hu", "thickness_mm", "left"),
    [
        (20.0, 3.0, 0.5),  # coarse noise of 5 HU: the mean of 16 pixels
        (40.0, 3.0, 0.5 / 2**1.5),
        (40.0, 8.0, 0.5 / 2**1.5),
        (40.0, None, 0.5 / 2**1.5),
        (40.0, 0.75, 0.5 / (2 / 3**0.5) ** 1.5),
    ],
)
def test_of_noise_stronger_than_ordinary_for_the_thickness_less_is_left(
    noise_hu: float, thickness_mm: float | None, left: float
) -> None:
    declared = Restraint(Kind="restraint", ShareRemoved=0.003, LeastNoiseLeft=0.5, OrdinaryNoiseHu=5.0)
    source = 40 + noise(noise_hu)
    kept = restrained(declared, source, np.full_like(source, 40), thickness_mm)
    assert noise_left(source, kept) == pytest.approx(left, rel=0.12)


def test_smaller_pixels_than_the_trainings_do_not_pass_for_stronger_noise() -> None:
    declared = Restraint(Kind="restraint", ShareRemoved=0.003, LeastNoiseLeft=0.5, OrdinaryNoiseHu=5.0)
    source = 40 + noise(20 * 0.5 / 0.25)
    answer = np.full_like(source, 40)
    same, fine = (restrained(declared, source, answer, pixel_mm=pixel_mm) for pixel_mm in (0.5, 0.25))
    assert noise_left(source, same) == pytest.approx(0.5 / 2**1.5, rel=0.12)
    assert noise_left(source, fine) == pytest.approx(0.5, rel=0.05)


def test_without_soft_tissue_no_noise_is_given_back() -> None:
    source = -800 + noise(20)
    answer = np.full_like(source, -800)
    assert SampledNoise.of(source, answer - source, np.ones(source.shape, np.bool_)) is None
    kept = restrained(restraint(least_noise_left=0.9), source, answer)
    assert share(kept, source, answer, np.s_[:, :]) > 0.99


def test_what_a_network_did_not_change_stays_and_a_slice_without_change_or_detail_gives_no_nonsense() -> None:
    source = anatomy()
    np.testing.assert_array_equal(restrained(restraint(), source, source), source)
    blank = np.zeros((SIDE, SIDE), np.float32)
    np.testing.assert_array_equal(restrained(restraint(), blank, blank), blank)


def test_padded_pixels_stay_the_networks_and_do_not_count_as_tissue() -> None:
    source = 40 + noise(20)
    padding = np.zeros(source.shape, np.bool_)
    padding[:, 40:] = True
    source[padding] = -2000
    answer = source - noise(20)
    kept = consistent(
        restraint(least_noise_left=0.5), SliceResult(SliceValues(0, source, padding), answer), GRID
    ).values
    np.testing.assert_array_equal(kept[padding], answer[padding])
    assert noise_left(source, kept, ~padding) == pytest.approx(0.5, abs=0.02)


def test_sides_that_are_no_multiple_of_a_block_keep_their_last_pixels() -> None:
    source = 40 + np.random.default_rng(1).normal(0, 20, (67, 51)).astype(np.float32)
    kept = restrained(restraint(), source, np.full_like(source, 40))
    assert kept.shape == source.shape
    np.testing.assert_allclose(kept[-3:], 40, atol=1e-3)


def test_restraint_belongs_to_hounsfield_units() -> None:
    assert Manifest.model_validate({**CT_DENOISE, "Consistency": RESTRAINT}).consistency is not None
    signal = [{**CT_DENOISE["Inputs"][0], "Modality": "MR", "Quantity": "mr_signal"}]
    with pytest.raises(ValidationError, match="restraint belongs to hounsfield_units"):
        Manifest.model_validate({**CT_DENOISE, "Inputs": signal, "Consistency": RESTRAINT})
