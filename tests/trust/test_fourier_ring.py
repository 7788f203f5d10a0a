"""Fourier ring correlation: known curves, known crossings, and patches that do not agree."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.measures.fourier_ring import PATCH, correlate, rings_of, scan

Values = NDArray[np.float32]
NOISE: Values = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
OTHER: Values = np.random.default_rng(1).normal(size=(256, 256)).astype(np.float32)


def test_an_image_agrees_with_itself_up_to_the_nyquist_frequency() -> None:
    scanned = scan(NOISE, NOISE)
    assert scanned.curves.min() > 0.9999
    assert (scanned.crossings() == 0.5).all()
    assert not scanned.candidates(0.4).any()


def test_brightness_and_contrast_do_not_count() -> None:
    assert scan(3 * NOISE + 70, NOISE).curves.min() > 0.9999


def test_the_negative_has_the_opposite_correlation() -> None:
    assert scan(-NOISE, NOISE).curves.max() < -0.9999


def test_signal_and_noise_of_equal_power_correlate_by_the_root_of_a_half() -> None:
    scanned = scan(NOISE + OTHER, NOISE)
    assert scanned.curves[:, 8:].mean() == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_images_without_anything_in_common_cross_at_once() -> None:
    crossings = scan(OTHER, NOISE).crossings()
    assert np.median(crossings) < 2 / PATCH


def low_passed(values: Values, cut_off: float) -> Values:
    by_row, by_column = np.fft.fftfreq(values.shape[0])[:, np.newaxis], np.fft.rfftfreq(values.shape[1])
    spectrum = np.fft.rfft2(values) * (np.hypot(by_row, by_column) < cut_off)
    return np.fft.irfft2(spectrum, values.shape).astype(np.float32)


@pytest.mark.parametrize("cut_off", [0.1, 0.2, 0.35])
def test_the_crossing_lies_where_common_detail_ends(cut_off: float) -> None:
    common = low_passed(NOISE, cut_off)
    own = OTHER - low_passed(OTHER, cut_off)
    crossings = scan(common + own, common + low_passed(own[::-1], 0.5)).crossings()
    assert np.median(crossings) == pytest.approx(cut_off, abs=0.03)


def test_only_the_patches_where_something_was_invented_are_candidates() -> None:
    smooth = low_passed(NOISE, 0.15)
    rows, columns = np.mgrid[:256, :256]
    invented = smooth + np.where((rows - 96) ** 2 + (columns - 160) ** 2 < 14**2, 4 * smooth.std(), 0)
    scanned = scan(invented.astype(np.float32), smooth)
    lowest = scanned.curves[:, :3].min(1)
    places = scanned.places[lowest < 0.8]
    assert len(places) > 0
    assert (np.abs(places + PATCH // 2 - (96, 160)).max(1) <= PATCH // 2 + 14).all()


def test_patches_without_content_are_passed_over() -> None:
    half = NOISE.copy()
    half[:, 128:] = 0
    scanned = scan(half, half, floor=0.5)
    assert scanned.places[:, 1].max() + PATCH <= 192
    assert len(correlate(half, half, []).curves) == 0


def test_every_coefficient_up_to_nyquist_is_in_exactly_one_ring() -> None:
    rings = rings_of(16)
    by_row, by_column = np.meshgrid(np.fft.fftfreq(16, 1 / 16), np.fft.fftfreq(16, 1 / 16), indexing="ij")
    radius = np.rint(np.hypot(by_row, by_column))
    assert rings.weights.sum() == np.count_nonzero((radius >= 1) & (radius <= 8))
    assert rings.count == 8
