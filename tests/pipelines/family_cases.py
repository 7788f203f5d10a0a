"""Tiny diffusion pipelines, what they should give in plain numpy, and running them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pipelines.catalog import CatalogEntry
from pipelines.pipeline import Execution, open_pipeline
from pipelines.sampling.chance import START, Chance
from pipelines.sampling.samplers import SAMPLERS
from pipelines.sampling.settings import SamplerSettings
from pipelines.volume import SliceResult
from tests.pipelines.tiny_models import as_slices, axial_grid, file_json, tiny_denoiser, tiny_entry

Values = NDArray[np.float32]
ONE_SLICE = [{"Name": "slices", "Modality": "MR", "Quantity": "mr_signal"}]
SAMPLER = {"Method": "ddim", "Steps": 5, "NoisyInput": "noisy", "TimeInput": "time"}


def signal(*shape: int) -> Values:
    return np.random.default_rng(2).normal(0.2, 0.5, shape).astype(np.float32)


def results(entry: CatalogEntry, values: Values, execution: Execution, seed: int = 7) -> list[SliceResult]:
    pipeline = open_pipeline(entry, execution)
    return list(pipeline.stream(as_slices(values), axial_grid(*values.shape), seed=seed))


def run(entry: CatalogEntry, values: Values, execution: Execution, seed: int = 7) -> Values:
    return np.stack([result.values for result in results(entry, values, execution, seed)])


def diffusion_entry(folder: Path, sampler: dict[str, Any], **changes: Any) -> CatalogEntry:
    time_type = changes.pop("time_type", TensorProto.FLOAT)
    model = tiny_denoiser(time_type=time_type)
    fields: dict[str, Any] = {
        "Family": "diffusion",
        "Generative": True,
        "Inputs": ONE_SLICE,
        "Model": file_json("model.onnx", model, Input="slices", Output="predicted"),
        "Sampler": SAMPLER | sampler,
    }
    return tiny_entry(folder, model, **(fields | changes))


def denoised(x: Values, time: float, condition: Values) -> Values:
    """The tiny denoiser's formula."""
    predicted: Values = np.float32(0.3) * x + np.float32(0.1) * condition + np.float32(time / 5000)
    return predicted


def expected_diffusion(values: Values, chosen: SamplerSettings, *, sample: int = 0, seed: int = 7) -> Values:
    """Slice by slice, with the formula of the tiny denoiser."""

    def one(index: int, condition: Values) -> Values:
        chance = Chance(seed, sample, index, condition.shape, (0, 0))

        def predict(x: Values, time: float) -> Values:
            without = denoised(x, time, np.full_like(condition, chosen.null_condition))
            guided: Values = without + np.float32(chosen.guidance) * (denoised(x, time, condition) - without)
            return guided

        def draw(step: int) -> Values:
            return chance.normal(step, 1, condition.shape)[np.newaxis]

        image: Values = SAMPLERS[chosen.method](chosen, predict, draw(START), draw)[0, 0]
        return image

    return np.stack([one(index, condition) for index, condition in enumerate(values)])
