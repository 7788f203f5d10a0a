"""Errors, similarities, masks and noise levels where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from pipelines.measures.differences import mean_absolute_error, mean_difference, psnr_db, rmse
from pipelines.measures.noise_level import histogram_peak, noise_level
from pipelines.measures.regions import (
    air_mask,
    body_mask,
    box_around,
    foreground_level,
    foreground_mask,
    tissue_masks,
)
from pipelines.measures.similarity import ssim_and_ms_ssim

Image = NDArray[np.float32]
WINDOW = (-160.0, 240.0)


def scene(side: int = 192, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    smooth: Image = ndimage.gaussian_filter(rng.normal(0, 900, (side, side)), 6).astype(np.float32)
    return smooth


def chest(side: int = 200) -> Image:
    """An oval of soft tissue in air with one lung, the corners never measured."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    hu = np.full((side, side), -1000.0, np.float32)
    hu += np.random.default_rng(1).normal(0, 12, hu.shape).astype(np.float32)
    hu[x**2 / 0.14 + y**2 / 0.1 < 1] = 40.0
    hu[(x - 0.12) ** 2 + y**2 < 0.012] = -850.0
    hu = np.maximum(hu, -1024.0)
    hu[np.hypot(x, y) > 0.62] = -1024.0
    return hu


def everywhere(image: Image) -> NDArray[np.bool_]:
    return np.ones(image.shape, np.bool_)


def test_errors_of_a_known_difference() -> None:
    reference = scene()
    image = reference + np.where(np.arange(192) % 2 == 0, 3.0, -1.0).astype(np.float32)
    mask = everywhere(reference)
    assert rmse(image, reference, mask) == pytest.approx(np.sqrt(5.0), rel=1e-4)
    assert mean_absolute_error(image, reference, mask) == pytest.approx(2.0, rel=1e-4)
    assert mean_difference(image, reference, mask) == pytest.approx(1.0, rel=1e-3)


def test_psnr_counts_only_what_the_window_shows_within_the_mask() -> None:
    reference = np.full((10, 10), 100.0, np.float32)
    image = reference.copy()
    image[0] = 140.0
    reference[1], image[1] = 500.0, 900.0
    mask = everywhere(reference)
    assert psnr_db(image, reference, mask, WINDOW) == pytest.approx(20.0 + 10.0)
    mask[0] = False
    assert psnr_db(image, reference, mask, WINDOW) == pytest.approx(120.0)


def test_ssim_is_that_of_the_library() -> None:
    reference = scene()
    image = reference + np.random.default_rng(2).normal(0, 25, reference.shape).astype(np.float32)
    a, b = (np.clip(each.astype(np.float64), *WINDOW) for each in (image, reference))
    _, expected = structural_similarity(  # type: ignore[no-untyped-call]
        a, b, data_range=400.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    mask = everywhere(reference)
    mask[:40] = False
    single, _ = ssim_and_ms_ssim(image, reference, mask, WINDOW)
    assert single == pytest.approx(float(expected[mask].mean()), abs=1e-6)


def test_identical_images_are_alike_and_noise_makes_them_less_so() -> None:
    reference, rng = scene(), np.random.default_rng(3)
    found = [
        ssim_and_ms_ssim(
            reference + rng.normal(0, noise, reference.shape).astype(np.float32),
            reference,
            everywhere(reference),
            WINDOW,
        )
        for noise in (0.0, 10.0, 40.0)
    ]
    assert found[0] == pytest.approx((1.0, 1.0))
    assert found[0] > found[1] > found[2]


def test_multi_scale_similarity_forgives_fine_noise_more_than_a_lost_structure() -> None:
    reference = scene()
    noisy = reference + np.random.default_rng(4).normal(0, 30, reference.shape).astype(np.float32)
    erased = reference.copy()
    erased[60:130, 60:130] = reference.mean()
    mask = everywhere(reference)
    (noisy_single, noisy_multi), (erased_single, erased_multi) = (
        ssim_and_ms_ssim(each, reference, mask, WINDOW) for each in (noisy, erased)
    )
    assert noisy_multi - noisy_single > erased_multi - erased_single


def test_a_slice_too_small_for_five_scales_is_measured_on_fewer() -> None:
    small = scene(40)
    assert ssim_and_ms_ssim(small, small, everywhere(small), WINDOW) == pytest.approx((1.0, 1.0))


def test_the_body_holds_its_lung_and_nothing_outside() -> None:
    hu = chest()
    body = body_mask(hu)
    assert body[100, 124]
    assert not body[2, 100]
    assert tissue_masks(hu, body)["lung"][100, 124]
    assert tissue_masks(hu, body)["soft tissue"][100, 60]
    assert not body_mask(np.full((50, 50), -1000.0, np.float32)).any()


def test_air_keeps_clipped_pixels_and_leaves_out_what_was_never_measured() -> None:
    hu = chest()
    air = air_mask(hu, body_mask(hu))
    clipped = (hu == -1024.0) & (np.hypot(*(np.mgrid[:200, :200] / 200 - 0.5)) < 0.58)
    far = ~ndimage.binary_dilation(body_mask(hu), iterations=12)
    assert (clipped & far).any()
    assert air[clipped & far].all()
    assert not air[0, 0]
    assert not air[3, 3]


def test_the_head_is_told_from_background() -> None:
    y, x = np.mgrid[:128, :128] / 128 - 0.5
    signal = np.where(x**2 + y**2 < 0.1, 400.0, 0.0)
    noisy = np.hypot(signal + np.random.default_rng(5).normal(0, 15, signal.shape), 15.0).astype(np.float32)
    mask = foreground_mask(noisy, foreground_level(noisy))
    assert mask[64, 64]
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(signal), rel=0.2)
    assert foreground_level(np.zeros((4, 4), np.float32)) == 0.0


def test_box_holds_the_mask_and_a_margin() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[40:50, 5:20] = True
    assert box_around(mask, 10) == (slice(30, 60), slice(0, 30))


@pytest.mark.parametrize("noise", [5.0, 20.0])
def test_noise_level_of_noise_on_a_scene_with_edges(noise: float) -> None:
    image = scene(256) * 0.02
    image[:, 128:] += 200.0
    image = image + np.random.default_rng(6).normal(0, noise, image.shape).astype(np.float32)
    assert noise_level(image, everywhere(image), 0.7) == pytest.approx(noise, rel=0.12)


def test_noise_level_of_a_mask_too_small_is_zero() -> None:
    mask = np.zeros((64, 64), np.bool_)
    mask[30:34, 30:34] = True
    assert noise_level(scene(64), mask, 0.7) == 0.0


def test_mode_is_where_values_crowd() -> None:
    rng = np.random.default_rng(7)
    values = np.concatenate([rng.normal(3.0, 0.2, 600), rng.uniform(3.0, 20.0, 400)])
    assert histogram_peak(values) == pytest.approx(3.0, abs=0.3)
