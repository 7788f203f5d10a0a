"""The channelized Hotelling observer against what is known exactly, and the ranking of doses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from pipelines.measures.channels import Channels, gabor, laguerre_gauss
from pipelines.measures.contrast_phantom import (
    CT,
    MR,
    RODS,
    SIDE,
    SPACING_MM,
    SQUARE,
    Appearance,
    anatomy,
    noise_filter,
    scans,
    sites,
    squares_of,
)
from pipelines.measures.model_observer import Detectability, detectability, ideal_detectability, noncentral_f

Values = NDArray[np.float64]
PIXELS = 32
RADIUS = 4.5
NOISE = 15.0


def disc(contrast: float) -> Values:
    y, x = np.mgrid[:PIXELS, :PIXELS] - (PIXELS - 1) / 2
    inside: Values = (np.hypot(y, x) < RADIUS).astype(float)
    return contrast * inside


def spectrum(correlated: bool) -> Values:
    """Size of the noise's spectrum; mean square 1, so that the noise's deviation is 1."""
    frequency = np.hypot(np.fft.fftfreq(PIXELS)[:, None], np.fft.fftfreq(PIXELS))
    size = np.sqrt(frequency) * np.exp(-((frequency / 0.25) ** 2)) + 0.02
    size = size if correlated else np.ones_like(size)
    scaled: Values = size / np.sqrt(np.mean(size**2))
    return scaled


def noise(images: int, size: Values, rng: np.random.Generator) -> Values:
    white = rng.standard_normal((images, PIXELS, PIXELS))
    drawn: Values = NOISE * np.fft.ifft2(np.fft.fft2(white) * size).real
    return drawn


def covariance(size: Values) -> Values:
    """(pixels, pixels) of `noise`: circulant, so that it is known to the last digit."""
    autocovariance = NOISE**2 * np.fft.ifft2(size**2).real
    apart = (np.arange(PIXELS)[:, None] - np.arange(PIXELS)) % PIXELS
    blocks: Values = autocovariance[apart[:, None, :, None], apart[None, :, None, :]]
    whole: Values = blocks.reshape(PIXELS**2, PIXELS**2)
    return whole


def channels_of(name: str) -> Channels:
    return laguerre_gauss(PIXELS, RADIUS) if name == "Laguerre-Gauss" else gabor(PIXELS)


@pytest.mark.parametrize("name", ["Laguerre-Gauss", "Gabor"])
@pytest.mark.parametrize("correlated", [False, True])
def test_observer_reproduces_the_analytic_detectability_within_three_percent(
    name: str, correlated: bool
) -> None:
    size, signal = spectrum(correlated), disc(9.0 if correlated else 7.0)
    channels, rng = channels_of(name), np.random.default_rng(11)
    analytic = ideal_detectability(signal, covariance(size), channels)
    found = detectability(signal + noise(5000, size, rng), noise(5000, size, rng), channels)
    assert 1.5 < analytic < 5.0
    assert found.d_prime == pytest.approx(analytic, rel=0.03)
    assert found.low95 < analytic < found.high95


def test_white_noise_gives_the_signal_energy_that_the_channels_let_through() -> None:
    channels = laguerre_gauss(PIXELS, RADIUS)
    orthogonal, _ = np.linalg.qr(channels)
    energy = float(np.sum((orthogonal.T @ disc(7.0).ravel()) ** 2))
    analytic = ideal_detectability(disc(7.0), NOISE**2 * np.eye(PIXELS**2), channels)
    assert analytic == pytest.approx(np.sqrt(energy) / NOISE)


def repeated(d_prime: float, images: int, times: int, rng: np.random.Generator) -> list[Detectability]:
    """Observers of one pixel row as their channels: Gaussian outputs of a known detectability."""
    identity, shift = np.eye(6), np.zeros(6)
    shift[0] = d_prime
    drawn = rng.standard_normal((times, 2, images, 6))
    return [detectability(present + shift, absent, identity) for present, absent in drawn]


def test_few_images_do_not_make_the_observer_better_on_average() -> None:
    found = repeated(1.5, 20, 400, np.random.default_rng(3))
    squared = np.mean([each.d_prime**2 for each in found])
    assert squared == pytest.approx(1.5**2, rel=0.06)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    found = repeated(1.5, 25, 300, np.random.default_rng(4))
    held = np.mean([each.low95 <= 1.5 <= each.high95 for each in found])
    assert 0.91 <= held <= 0.985


def test_a_signal_that_is_not_there_is_not_detected() -> None:
    present, absent = np.random.default_rng(5).standard_normal((2, 200, 6))
    found = detectability(present, absent, np.eye(6))
    assert found.low95 == 0.0
    assert found.d_prime < 0.5
    assert Detectability(0.0, 0.0, 0.0).area_under_curve == 0.5


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 14"):
        detectability(np.zeros((5, 6)), np.zeros((5, 6)), np.eye(6))


def test_the_noncentral_f_agrees_with_the_library_where_that_has_an_answer() -> None:
    for f, noncentrality in ((0.4, 0.0), (3.2, 12.0), (9.0, 60.0)):
        expected = stats.ncf.cdf(f, 6, 190, noncentrality) if noncentrality else stats.f.cdf(f, 6, 190)
        assert noncentral_f(f, 6, 190, noncentrality) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("look", [CT, MR])
@pytest.mark.parametrize("kind", ["Laguerre-Gauss", "Gabor"])
def test_doses_are_ranked_on_simulated_phantoms(look: Appearance, kind: str) -> None:
    rng = np.random.default_rng(6)
    found = []
    for dose in (1.0, 0.4, 0.1):
        present, absent = (scans(there, NOISE / dose**0.5, 16, rng, look) for there in (True, False))
        found.append(
            [
                detectability(
                    squares_of(present, rod),
                    squares_of(absent, rod),
                    laguerre_gauss(SQUARE, diameter / 2 / SPACING_MM) if kind != "Gabor" else gabor(SQUARE),
                ).d_prime
                for rod, (diameter, _) in enumerate(RODS)
            ]
        )
    means = np.mean(found, axis=1)
    assert np.all(np.diff(means) < 0)
    assert np.all(np.array(found[0]) > np.array(found[-1]))


def test_the_phantom_holds_every_rod_at_its_contrast() -> None:
    rods = anatomy(True) - anatomy(False)
    for site in sites():
        middle = rods[site.row + SQUARE // 2, site.column + SQUARE // 2]
        assert middle == pytest.approx(RODS[site.rod][1], rel=1e-5)
    assert len(sites()) % len(RODS) == 0
    outside = anatomy(True)[0, 0]
    assert outside == CT.surroundings


def test_phantom_noise_has_the_deviation_asked_for_and_little_at_frequency_zero() -> None:
    noisy = scans(False, NOISE, 3, np.random.default_rng(7)) - anatomy(False)
    assert float(noisy.std()) == pytest.approx(NOISE, rel=0.02)
    assert noise_filter(SIDE)[0, 0] == 0.0
