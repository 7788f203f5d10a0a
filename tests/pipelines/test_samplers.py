import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipelines.sampling.samplers import SAMPLERS
from pipelines.sampling.settings import SamplerSettings
from tests.pipelines.sampler_cases import answer, cases, noise, settings, start

REFERENCE = json.loads(Path(__file__).with_name("sampler_reference.json").read_text())


def sampled(chosen: SamplerSettings) -> NDArray[np.float32]:
    def predict(x: NDArray[np.float32], time: float) -> NDArray[np.float32]:
        predicted: NDArray[np.float32] = answer(chosen, x, time)
        return predicted

    return SAMPLERS[chosen.method](chosen, predict, start(), noise)


@pytest.mark.parametrize("name", cases())
def test_every_sampler_agrees_with_diffusers_to_five_digits(name: str) -> None:
    expected = np.asarray(REFERENCE["results"][name])
    result = sampled(cases()[name])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(find_spec("diffusers") is None, reason="diffusers is not installed")
def test_the_stored_reference_is_what_diffusers_says_today() -> None:
    from tests.pipelines.make_sampler_reference import result

    for name, chosen in cases().items():
        np.testing.assert_allclose(REFERENCE["results"][name], result(chosen), rtol=1e-5, atol=1e-5)


def test_the_reference_has_exactly_the_cases_tested() -> None:
    assert set(REFERENCE["results"]) == set(cases())


@pytest.mark.parametrize("method", ["ddim", "dpm-solver++", "rectified-flow"])
def test_samplers_without_noise_on_the_way_never_draw_any(method: str) -> None:
    def no_draw(step: int) -> NDArray[np.float32]:
        raise AssertionError(f"drew noise in step {step}")

    chosen = settings(Method=method)
    SAMPLERS[method](chosen, lambda x, time: np.float32(0.5) * x, start(), no_draw)


def test_a_network_that_knows_the_answer_is_believed() -> None:
    truth = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 1, 3, 4)
    for method in ("ddpm", "ddim", "dpm-solver++"):
        chosen = settings(Method=method, Prediction="sample")
        result = SAMPLERS[method](chosen, lambda x, time: truth, start(), noise)
        np.testing.assert_allclose(result, truth, atol=0.02 if method == "ddpm" else 1e-5)


def test_more_steps_than_were_trained_are_refused() -> None:
    with pytest.raises(ValidationError, match="more than TrainingSteps"):
        settings(Method="ddim", Steps=50, TrainingSteps=40)
