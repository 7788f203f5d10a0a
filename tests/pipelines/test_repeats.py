"""Repeated sampling and ensembles through the whole engine."""

from pathlib import Path

import numpy as np

from pipelines.pipeline import Execution
from pipelines.repeats import UncertainResult
from tests.pipelines.family_cases import ONE_SLICE, diffusion_entry, expected_diffusion, results, run, signal
from tests.pipelines.tiny_models import file_json, slice_convolution, tiny_denoiser, tiny_entry


def test_repeated_sampling_gives_the_mean_and_its_spread(tmp_path: Path) -> None:
    values = signal(3, 6, 6)
    steps = [{"Step": "scale", "Divide": 4.0, "Subtract": 1.0}]
    entry = diffusion_entry(
        tmp_path, {"Method": "ddpm"}, Repeats={"Samples": 4}, Companions=["uncertainty"], Preprocessing=steps
    )
    assert entry.manifest.sampler is not None
    scaled = (values - 1) / np.float32(4)
    each = np.stack(
        [expected_diffusion(scaled, entry.manifest.sampler, sample=sample) * 4 + 1 for sample in range(4)]
    )
    for index, result in enumerate(results(entry, values, Execution(batch_slices=2))):
        assert isinstance(result, UncertainResult)
        np.testing.assert_allclose(result.values, each[:, index].mean(axis=0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(result.spread, each[:, index].std(axis=0, ddof=1), rtol=1e-4, atol=1e-5)


def test_antithetic_samples_come_in_pairs_of_opposite_noise(tmp_path: Path) -> None:
    """The tests' network is affine in its noise, so of the mean of each pair nothing of it is left."""
    values = signal(2, 6, 6)
    repeats = {"Samples": 4, "Antithetic": True}
    pairs = diffusion_entry(tmp_path / "pairs", {"Method": "ddim"}, Repeats=repeats)
    single = diffusion_entry(tmp_path / "single", {"Method": "ddim"})
    found, again = (results(pairs, values, Execution(), seed) for seed in (7, 8))
    first, second = (run(single, values, Execution(), seed) for seed in (7, 8))
    assert np.abs(first - second).max() > 0.1
    for one, two in zip(found, again, strict=True):
        assert isinstance(one, UncertainResult)
        np.testing.assert_allclose(one.values, two.values, atol=1e-4)
        assert one.spread.mean() > 0.1


def test_mirrored_samples_take_out_what_a_network_does_to_one_side(tmp_path: Path) -> None:
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, 0, 1] = kernel[0, 0, 1, 2] = 0.5  # the mean of the pixels above and to the right
    repeats = {"Samples": 4, "Mirrored": True}
    entry = tiny_entry(tmp_path, slice_convolution(kernel), Inputs=ONE_SLICE, Repeats=repeats)
    values = signal(2, 6, 7)
    padded = np.pad(values, [(0, 0), (1, 1), (1, 1)])
    above, below, left, right = (
        padded[:, :-2, 1:-1],
        padded[:, 2:, 1:-1],
        padded[:, 1:-1, :-2],
        padded[:, 1:-1, 2:],
    )
    for index, result in enumerate(results(entry, values, Execution())):
        assert not isinstance(result, UncertainResult), "mirror images are no chance"
        expected = (above + below + left + right)[index] / 4
        np.testing.assert_allclose(result.values, expected, atol=1e-5)


def test_mirrored_samples_have_their_noise_mirrored_with_them(tmp_path: Path) -> None:
    """Else the two of a pair would not have opposite noise, and some of it would be left in the mean."""
    values = signal(2, 6, 6)
    repeats = {"Samples": 4, "Antithetic": True, "Mirrored": True}
    entry = diffusion_entry(tmp_path, {"Method": "ddim"}, Repeats=repeats)
    one, other = (run(entry, values, Execution(), seed) for seed in (7, 8))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_an_ensemble_gives_the_mean_of_its_members(tmp_path: Path) -> None:
    one, other = (slice_convolution(np.full((1, 1, 1, 1), factor, np.float32)) for factor in (1.0, 3.0))
    member = file_json("other.onnx", other, Input="slices", Output="denoised")
    tmp_path.joinpath("other.onnx").write_bytes(other)
    entry = tiny_entry(tmp_path, one, Inputs=ONE_SLICE, Repeats={"Members": [member]})
    values = signal(2, 5, 5)
    for source, result in zip(values, results(entry, values, Execution()), strict=True):
        assert isinstance(result, UncertainResult)
        np.testing.assert_allclose(result.values, 2 * source, atol=1e-5)
        np.testing.assert_allclose(result.spread, np.sqrt(2) * np.abs(source), atol=1e-5)


def test_every_member_of_an_ensemble_draws_its_own_noise(tmp_path: Path) -> None:
    member = file_json("model.onnx", tiny_denoiser(), Input="slices", Output="predicted")
    entry = diffusion_entry(tmp_path, {"Method": "ddpm"}, Repeats={"Members": [member]})
    for result in results(entry, signal(2, 6, 6), Execution()):
        assert isinstance(result, UncertainResult)
        assert result.spread.mean() > 0.1
