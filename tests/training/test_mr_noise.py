"""The noise the MR denoiser is taught with follows its distributions, and its schedule is the engine's."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an optional extra")

SIZE = 128


def drawn(sigma: float, coils: int, masked: bool = False) -> Any:
    from training.mr_denoise.noise import NoiseDraw

    everything = torch.ones(SIZE, SIZE // 2 + 1)
    return NoiseDraw(sigma, coils, torch.ones(1, SIZE, SIZE), everything, masked)


def noisy(signal: float, how: Any) -> np.ndarray:
    from training.mr_denoise.noise import noisy_magnitude

    generator = torch.Generator().manual_seed(1)
    values: np.ndarray = noisy_magnitude(torch.full((3, SIZE, SIZE), signal), how, generator).numpy()
    return values


def test_background_of_one_coil_is_rayleigh() -> None:
    background = noisy(0.0, drawn(0.1, 1))
    assert background.mean() == pytest.approx(0.1 * sqrt(pi / 2), rel=0.01)
    assert background.std() == pytest.approx(0.1 * sqrt(2 - pi / 2), rel=0.02)


def test_second_moment_of_several_coils_is_that_of_non_central_chi() -> None:
    """E[M^2] = A^2 + 2 L sigma^2."""
    for coils in (1, 2, 4):
        squared = (noisy(0.3, drawn(0.1, coils)).astype(np.float64) ** 2).mean()
        assert squared == pytest.approx(0.3**2 + 2 * coils * 0.1**2, rel=0.01)


def test_noise_of_bright_tissue_is_gaussian_of_the_stated_deviation() -> None:
    bright = noisy(1.0, drawn(0.02, 1))
    assert bright.std() == pytest.approx(0.02, rel=0.02)
    assert bright.mean() == pytest.approx(1.0, abs=0.001)


def test_a_masked_background_stays_zero() -> None:
    assert (noisy(0.0, drawn(0.1, 1, masked=True)) == 0).all()


def test_band_limited_noise_keeps_its_deviation_and_has_no_high_frequencies() -> None:
    from training.mr_denoise.noise import draw

    rng = np.random.default_rng(0)
    how = next(found for found in (draw(SIZE, rng) for _ in range(100)) if found.passed.min() == 0)
    plain = type(how)(0.02, 1, torch.ones(1, SIZE, SIZE), how.passed, False)
    values = noisy(1.0, plain) - 1.0
    assert values.std() == pytest.approx(0.02, rel=0.05)
    power = np.abs(np.fft.rfft2(values)).mean(0) ** 2
    stopped = how.passed.numpy() == 0
    assert power[stopped].mean() < 0.02 * power[~stopped].mean()


def test_training_and_engine_have_one_schedule() -> None:
    from pipelines.sampling.schedule import alpha_bar
    from pipelines.sampling.settings import SamplerSettings
    from training.mr_denoise.export import description
    from training.mr_denoise.network import kept_variance

    settings = SamplerSettings.model_validate(description("0" * 64)["Sampler"])
    np.testing.assert_allclose(kept_variance().numpy(), alpha_bar(settings), rtol=1e-3, atol=1e-6)
