"""Noise power, transfer, feature distances, lesions and spots, on images made to order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.agreement import bland_altman
from pipelines.measures.blobs import count_blobs
from pipelines.measures.edge_transfer import circular_profile, surface_points, transfer_of
from pipelines.measures.feature_distance import (
    FEATURES,
    frechet_distance,
    kernel_distance,
    patch_features,
)
from pipelines.measures.lesions import (
    Lesion,
    drawn,
    half_maximum_diameter_mm,
    mean_inside,
    recovery,
    response,
)
from pipelines.measures.noise_power import flat_squares, power_of, radial
from pipelines.measures.overlap import dice, segment

Image = NDArray[np.float32]
SPACING_MM, BETWEEN_MM = 0.7, 1.5
LESION = Lesion(slice_index=2, row=60.3, column=71.6, diameter_mm=10.0, contrast=-40.0)


def white(seed: int, side: int = 192, deviation: float = 10.0) -> Image:
    return np.random.default_rng(seed).normal(0, deviation, (side, side)).astype(np.float32)


def everywhere(image: Image) -> NDArray[np.bool_]:
    return np.ones(image.shape, np.bool_)


def test_white_noise_has_a_flat_spectrum_of_its_variance_times_a_pixel() -> None:
    image = white(0, 384)
    places = flat_squares(np.zeros_like(image), everywhere(image), 32, 1.0, 400)
    spectrum = radial(power_of(image, places, 32), len(places), SPACING_MM)
    assert len(places) == 23 * 23 - 129
    assert spectrum.power[3:].mean() == pytest.approx(100.0 * SPACING_MM**2, rel=0.05)
    assert spectrum.frequency_per_mm[-1] == pytest.approx(15 / 32 / SPACING_MM)


def test_band_limited_noise_peaks_in_its_band() -> None:
    image = white(1, 384)
    banded = ndimage.gaussian_filter(image, 1.0) - ndimage.gaussian_filter(image, 2.0)
    places = flat_squares(np.zeros_like(image), everywhere(image), 32, 1.0, 400)
    spectrum = radial(power_of(banded, places, 32), len(places), SPACING_MM)
    # exp(-a f^2) - exp(-4 a f^2) with a = 2 pi^2 is largest at f^2 = ln 4 / (3 a).
    peak = np.sqrt(np.log(4) / (3 * 2 * np.pi**2)) / SPACING_MM
    assert spectrum.peak_per_mm == pytest.approx(peak, abs=1.5 / 32 / SPACING_MM)
    f = np.linspace(0.01, 0.5, 500)
    power = (np.exp(-2 * np.pi**2 * f**2) - np.exp(-8 * np.pi**2 * f**2)) ** 2
    mean = float((f**2 * power).sum() / (f * power).sum()) / SPACING_MM
    assert spectrum.mean_per_mm == pytest.approx(mean, rel=0.05)


def test_flat_squares_avoid_edges_and_the_outside_of_the_mask() -> None:
    reference = np.zeros((96, 96), np.float32)
    reference[:, 48:] = 300.0
    mask = everywhere(reference)
    mask[:24] = False
    places = flat_squares(reference, mask, 24, 5.0, 100)
    assert places
    assert all(row >= 24 and (column + 24 <= 44 or column >= 52) for row, column in places)


def disc(radius: float, centre: tuple[float, float], blur: float, side: int = 160) -> Image:
    """Values 0 and 100 on four times finer pixels, blurred and averaged."""
    axis = (np.arange(side * 4) + 0.5) / 4 - 0.5
    inside = np.hypot(axis[:, np.newaxis] - centre[0], axis - centre[1]) < radius
    fine = ndimage.gaussian_filter(100.0 * inside, 4 * blur)
    coarse: Image = fine.reshape(side, 4, side, 4).mean((1, 3)).astype(np.float32)
    return coarse


@pytest.mark.parametrize("blur", [0.9, 1.3])
def test_transfer_of_a_blurred_disc_is_that_of_its_blur(blur: float) -> None:
    centre = (79.6, 80.3)
    transfer = transfer_of(circular_profile(disc(40.0, centre, blur), centre, 40.0), SPACING_MM)
    whole = np.sqrt(blur**2 + 1 / 12 + 0.2**2)  # with the pixel's own width and the profile's smoothing
    for modulation in (0.5, 0.1):
        expected = np.sqrt(-np.log(modulation) / (2 * np.pi**2)) / whole / SPACING_MM
        assert transfer.frequency_at(modulation) == pytest.approx(expected, rel=0.04)


def test_surface_transfer_falls_with_blur_and_not_with_noise() -> None:
    body = disc(55.0, (79.6, 80.3), 0.8) * 10.4 - 1000.0
    noisy = body + white(2, 160, 15.0)
    inside = body > -500.0
    points = surface_points(noisy, inside, -500.0, everywhere(body))
    assert len(points.rows) > 60
    sharp, with_noise, soft = (
        transfer_of(points.profiles(each).mean(axis=0), SPACING_MM).frequency_at(0.1)
        for each in (body, noisy, ndimage.gaussian_filter(noisy, 1.0))
    )
    assert with_noise == pytest.approx(sharp, rel=0.05)
    assert soft < 0.85 * sharp


def test_feature_distances_are_small_for_alike_and_grow_with_blur() -> None:
    reference, other = (patch_features(white(seed, 384), np.ones((384, 384), bool), 40.0) for seed in (3, 4))
    blurred = [
        patch_features(ndimage.gaussian_filter(white(4, 384), sigma), np.ones((384, 384), bool), 40.0)
        for sigma in (0.5, 1.0)
    ]
    assert reference.shape == (144, len(FEATURES))
    for distance in (frechet_distance, kernel_distance):
        found = [distance(each, reference) for each in (other, *blurred)]
        assert found[0] < 0.2 * found[1] < found[2]
    assert frechet_distance(reference, reference) == pytest.approx(0.0, abs=1e-4)


def test_too_few_patches_have_no_distance() -> None:
    features = np.zeros((5, len(FEATURES)))
    with pytest.raises(ValueError, match="5 patches"):
        frechet_distance(features, features)


def stacks() -> tuple[Image, Image]:
    """Five slices of noise, and the same with the lesion."""
    without = np.stack([white(seed, 128, 8.0) for seed in range(5)])
    return without, drawn(without, [LESION], SPACING_MM, BETWEEN_MM)


def test_a_lesion_is_a_ball_of_its_size_and_contrast() -> None:
    without, with_lesion = stacks()
    added = (with_lesion - without).astype(np.float64)
    volume = added.sum() / LESION.contrast * SPACING_MM**2 * BETWEEN_MM
    reached = sum(BETWEEN_MM * np.any(each != 0) for each in added)
    assert reached == pytest.approx(7.5)
    assert volume == pytest.approx(4 / 3 * np.pi * 5.0**3, rel=0.16)  # five slices hold 7.5 of its 10 mm
    assert added[2, 60, 72] == pytest.approx(-40.0, rel=0.02)


def test_recovery_is_the_share_of_the_contrast_that_is_left() -> None:
    without, with_lesion = stacks()
    half = 0.5 * (without + with_lesion)
    for image, share in ((with_lesion, 1.0), (half, 0.5), (without, 0.0)):
        found = recovery(image[2], without[2], LESION, BETWEEN_MM, SPACING_MM)
        assert found == pytest.approx(share, abs=1e-3)


def test_the_reader_sees_a_lesion_of_either_sign_and_nothing_elsewhere() -> None:
    without, with_lesion = stacks()
    seen, unseen = (response(each[2], LESION, BETWEEN_MM, SPACING_MM) for each in (with_lesion, without))
    assert seen - unseen == pytest.approx(1.0, abs=1e-3)
    assert abs(unseen) < 0.3


def test_mean_and_diameter_of_a_lesion_are_measured() -> None:
    flat = np.full((5, 128, 128), 50.0, np.float32)
    with_lesion = drawn(flat, [LESION], SPACING_MM, BETWEEN_MM)[2]
    assert mean_inside(with_lesion, LESION, SPACING_MM) == pytest.approx(10.0, abs=0.5)
    assert half_maximum_diameter_mm(with_lesion, LESION, SPACING_MM) == pytest.approx(10.0, abs=0.5)
    blurred = ndimage.gaussian_filter(with_lesion, 4.0)
    assert abs(mean_inside(blurred, LESION, SPACING_MM) - 10.0) > 3.0
    assert half_maximum_diameter_mm(flat[2], LESION, SPACING_MM) is None


def test_a_spot_is_counted_where_the_reference_has_none() -> None:
    flat = np.zeros((3, 128, 128), np.float32)
    spot = Lesion(1, 60.0, 70.0, 6.0, 50.0)
    image = drawn(flat, [spot], SPACING_MM, BETWEEN_MM)[1]
    mask = everywhere(image)
    assert count_blobs(image, flat[1], mask, 30.0, SPACING_MM).from_nothing == 1
    assert count_blobs(-image, flat[1], mask, 30.0, SPACING_MM).from_nothing == 1
    assert count_blobs(image, image, mask, 30.0, SPACING_MM).from_nothing == 0
    assert count_blobs(image, image, mask, 30.0, SPACING_MM).found == 1
    assert count_blobs(image, flat[1], mask, 80.0, SPACING_MM).found == 0


def test_overlap_of_segmentations() -> None:
    hu = np.full((60, 60), 40.0, np.float32)
    hu[10:20, 10:20], hu[30:50, 30:50] = 700.0, -850.0
    classes = segment(hu, everywhere(hu))
    assert np.count_nonzero(classes["bone"]) == pytest.approx(100, abs=4)
    assert np.count_nonzero(classes["lung"]) == pytest.approx(400, abs=4)
    moved = np.roll(classes["bone"], 5, axis=0)
    assert dice(classes["bone"], moved) == pytest.approx(0.5, abs=0.03)
    assert dice(np.zeros((3, 3), bool), np.zeros((3, 3), bool)) == 1.0


def test_limits_of_agreement_hold_95_percent_of_normal_differences() -> None:
    differences = np.random.default_rng(8).normal(2.0, 3.0, 4000)
    found = bland_altman(list(differences))
    inside = np.mean((differences > found.lower_limit) & (differences < found.upper_limit))
    assert found.bias == pytest.approx(2.0, abs=0.2)
    assert inside == pytest.approx(0.95, abs=0.01)
    with pytest.raises(ValueError, match="limits"):
        bland_altman([1.0])
