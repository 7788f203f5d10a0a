"""Tiny models of every family through the whole engine, against plain numpy."""

from pathlib import Path
from threading import Timer
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from pipelines.catalog import CatalogEntry
from pipelines.errors import JobInterrupted, PipelineBroken
from pipelines.pipeline import Execution, open_pipeline
from pipelines.sampling.chance import START, Chance
from pipelines.sampling.samplers import SAMPLERS
from tests.pipelines.family_cases import (
    ONE_SLICE,
    SAMPLER,
    Values,
    denoised,
    diffusion_entry,
    expected_diffusion,
    run,
    signal,
)
from tests.pipelines.tiny_models import (
    as_slices,
    axial_grid,
    file_json,
    graph_model,
    tiny_decoder,
    tiny_denoiser,
    tiny_encoder,
    tiny_entry,
)

WIDTHS = [Execution(parallel_slices=1), Execution(parallel_slices=3, batch_slices=4)]


@pytest.mark.parametrize("execution", WIDTHS)
def test_a_gan_is_its_generator(tmp_path: Path, execution: Execution) -> None:
    model = graph_model(
        [helper.make_node("Tanh", ["slices"], ["denoised"])],
        inputs={"slices": ["batch", 1, "rows", "columns"]},
        outputs={"denoised": ["batch", 1, "rows", "columns"]},
    )
    entry = tiny_entry(tmp_path, model, Family="GAN", Generative=True, Inputs=ONE_SLICE, Task="translate")
    values = signal(5, 12, 10)
    np.testing.assert_allclose(run(entry, values, execution), np.tanh(values), atol=1e-5)


@pytest.mark.parametrize("execution", WIDTHS)
@pytest.mark.parametrize(
    "sampler",
    [
        {"Method": "ddpm", "Steps": 6},
        {"Method": "ddim", "Eta": 0.5, "Prediction": "v_prediction"},
        {"Method": "dpm-solver++", "TimestepSpacing": "linspace"},
        {"Method": "rectified-flow", "Shift": 2.0},
        {"Method": "ddim", "Guidance": 3.0, "NullCondition": -1.0},
    ],
)
def test_a_diffusion_pipeline_is_its_sampler_around_its_model(
    tmp_path: Path, execution: Execution, sampler: dict[str, Any]
) -> None:
    values = signal(5, 6, 9)
    entry = diffusion_entry(tmp_path, sampler)
    assert entry.manifest.sampler is not None
    expected = expected_diffusion(values, entry.manifest.sampler)
    np.testing.assert_allclose(run(entry, values, execution), expected, rtol=1e-5, atol=1e-5)


def test_a_time_in_whole_numbers_is_given_to_models_that_want_it(tmp_path: Path) -> None:
    values = signal(2, 6, 6)
    entry = diffusion_entry(tmp_path, {}, time_type=TensorProto.INT64)
    assert entry.manifest.sampler is not None
    expected = expected_diffusion(values, entry.manifest.sampler)
    np.testing.assert_allclose(run(entry, values, Execution()), expected, rtol=1e-5, atol=1e-5)


def test_another_seed_gives_another_image_and_the_same_seed_the_same_bytes(tmp_path: Path) -> None:
    values = signal(3, 8, 8)
    entry = diffusion_entry(tmp_path, {"Method": "ddpm"})
    first = run(entry, values, Execution(), seed=1)
    assert run(entry, values, Execution(), seed=1).tobytes() == first.tobytes()
    assert np.abs(run(entry, values, Execution(), seed=2) - first).max() > 0.1


@pytest.mark.parametrize("tiles", [None, {"Shape": [8, 8], "Overlap": 0.5}])
def test_a_slices_noise_depends_neither_on_its_batch_nor_on_its_worker(
    tmp_path: Path, tiles: dict[str, Any] | None
) -> None:
    values = signal(7, 16, 20)
    entry = diffusion_entry(tmp_path, {"Method": "ddpm"}, Tiles=tiles)
    alone = run(entry, values, Execution(parallel_slices=1))
    for workers, batch in ((1, 7), (3, 2), (2, 3)):
        wide = run(entry, values, Execution(parallel_slices=workers, batch_slices=batch))
        np.testing.assert_allclose(wide, alone, rtol=1e-5, atol=1e-5)


def test_tiled_diffusion_shares_its_noise_so_that_a_pointwise_model_shows_no_tiles(tmp_path: Path) -> None:
    values = signal(2, 24, 24)
    whole = run(diffusion_entry(tmp_path / "whole", {"Method": "ddpm"}), values, Execution())
    tiled_entry = diffusion_entry(tmp_path / "tiled", {"Method": "ddpm"}, Tiles={"Shape": [16, 8]})
    np.testing.assert_allclose(run(tiled_entry, values, Execution()), whole, rtol=1e-5, atol=1e-5)


def vae_entry(folder: Path, **changes: Any) -> CatalogEntry:
    encoder, decoder = tiny_encoder(), tiny_decoder()
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("encoder.onnx").write_bytes(encoder)
    names = {"Input": "slices", "Mean": "mean", "LogVariance": "log_variance", "Downscale": 2}
    fields: dict[str, Any] = {
        "Family": "VAE",
        "Generative": True,
        "Inputs": ONE_SLICE,
        "Model": file_json("model.onnx", decoder, Input="latents", Output="image", SizeMultiple=2),
        "Encoder": file_json("encoder.onnx", encoder, **names),
    }
    return tiny_entry(folder, decoder, **(fields | changes))


def means_of_four(values: Values) -> Values:
    slices, rows, columns = values.shape
    means: Values = values.reshape(slices, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4), dtype=np.float32)
    return means


def spread_over_four(values: Values) -> Values:
    return values.repeat(2, axis=1).repeat(2, axis=2)


@pytest.mark.parametrize("execution", WIDTHS)
def test_a_vae_without_temperature_decodes_the_mean(tmp_path: Path, execution: Execution) -> None:
    values = signal(4, 8, 6)
    result = run(vae_entry(tmp_path), values, execution)
    np.testing.assert_allclose(result, spread_over_four(means_of_four(values)), atol=1e-5)


def test_a_vae_with_temperature_strays_by_its_own_deviation(tmp_path: Path) -> None:
    values = signal(4, 8, 6)
    means = means_of_four(values)
    noise = np.stack([Chance(7, 0, index, (8, 6), (0, 0)).normal(START, 2, (4, 3), 2) for index in range(4)])
    latents = np.stack([means, -means], axis=1)
    strayed = latents + 0.5 * np.exp(0.25 * latents) * noise
    expected = spread_over_four(0.5 * (strayed[:, 0] - strayed[:, 1]))
    result = run(vae_entry(tmp_path, Temperature=0.5), values, Execution(batch_slices=3))
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("tiles", [None, {"Shape": [8, 8], "Overlap": 0.5}])
def test_latent_diffusion_encodes_samples_and_decodes(tmp_path: Path, tiles: dict[str, Any] | None) -> None:
    denoiser, decoder = tiny_denoiser(channels=2), tiny_decoder()
    tmp_path.joinpath("decoder.onnx").write_bytes(decoder)
    tmp_path.joinpath("denoiser.onnx").write_bytes(denoiser)
    entry = vae_entry(
        tmp_path,
        Family="diffusion",
        Model=file_json("denoiser.onnx", denoiser, Input="slices", Output="predicted", SizeMultiple=2),
        Decoder=file_json("decoder.onnx", decoder, Input="latents", Output="image"),
        Encoder=vae_entry(tmp_path).manifest.encoder.model_dump(by_alias=True) | {"LatentScale": 0.5},  # type: ignore[union-attr]
        Sampler=SAMPLER | {"Method": "dpm-solver++"},
        Tiles=tiles,
    )
    values = signal(3, 16, 12)
    chosen = entry.manifest.sampler
    assert chosen is not None
    sampler = SAMPLERS[chosen.method]

    def expected(index: int, mean: Values) -> Values:
        condition = np.float32(0.5) * np.stack([mean, -mean])[np.newaxis]
        start = Chance(7, 0, index, (16, 12), (0, 0)).normal(START, 2, (8, 6), 2)[np.newaxis]

        def predict(x: Values, time: float) -> Values:
            return denoised(x, time, condition)

        latents = sampler(chosen, predict, start, lambda step: start)[0]
        image: Values = latents[0] - latents[1]
        return image

    each = np.stack([expected(index, mean) for index, mean in enumerate(means_of_four(values))])
    result = run(entry, values, Execution(batch_slices=2))
    np.testing.assert_allclose(result, spread_over_four(each), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tiles", [None, {"Shape": [8, 8, 8], "Overlap": 0.5}])
@pytest.mark.parametrize("execution", WIDTHS)
def test_a_3d_network_sees_the_volume_and_gives_slices(
    tmp_path: Path, tiles: dict[str, Any] | None, execution: Execution
) -> None:
    node = helper.make_node("Mul", ["slices", "factor"], ["denoised"])
    space = ["depth", "rows", "columns"]
    model = graph_model(
        [node],
        inputs={"slices": ["batch", 1, *space]},
        outputs={"denoised": ["batch", 1, *space]},
        weights={"factor": np.array(0.5, np.float32)},
    )
    names = file_json("model.onnx", model, Input="slices", Output="denoised", SizeMultiple=4)
    entry = tiny_entry(tmp_path, model, Inputs=ONE_SLICE, Dimensions=3, Model=names, Tiles=tiles)
    values = signal(11, 14, 17)
    np.testing.assert_allclose(run(entry, values, execution), 0.5 * values, atol=1e-6)


def test_a_volume_is_interrupted_between_its_windows(tmp_path: Path) -> None:
    space = ["depth", "rows", "columns"]
    kernel = np.ones((1, 1, 5, 5, 5), np.float32)
    model = graph_model(
        [helper.make_node("Conv", ["slices", "kernel"], ["denoised"], pads=[2] * 6)],
        inputs={"slices": ["batch", 1, *space]},
        outputs={"denoised": ["batch", 1, *space]},
        weights={"kernel": kernel},
    )
    tiles = {"Shape": [8, 8, 8], "Overlap": 0.9}
    pipeline = open_pipeline(
        tiny_entry(tmp_path, model, Inputs=ONE_SLICE, Dimensions=3, Tiles=tiles), Execution(parallel_slices=1)
    )
    stream = pipeline.stream(as_slices(signal(32, 64, 64)), axial_grid(32, 64, 64), seed=0)
    Timer(0.05, pipeline.interrupt).start()
    began = perf_counter()
    with pytest.raises(JobInterrupted):
        next(stream)
    assert perf_counter() - began < 2


def test_a_model_with_other_inputs_than_its_family_needs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineBroken, match="the manifest names"):
        open_pipeline(diffusion_entry(tmp_path, {"TimeInput": "moment"}), Execution())


def typed_model(dtype: int, shape: list[str | int | None]) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["slices"], ["denoised"])],
        "typed",
        [helper.make_tensor_value_info("slices", dtype, shape)],
        [helper.make_tensor_value_info("denoised", dtype, shape)],
    )
    opset = [helper.make_opsetid("", 17)]
    serialised: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return serialised


@pytest.mark.parametrize(
    ("dtype", "shape", "words"),
    [
        (TensorProto.FLOAT16, ["b", 1, "r", "c"], r"is tensor\(float16\); export it as tensor\(float\)"),
        (TensorProto.INT64, ["b", 1, "r", "c"], r"is tensor\(int64\)"),
        (
            TensorProto.FLOAT,
            ["b", 3, "r", "c"],
            "has 3 channels, the manifest makes 1",
        ),
        (TensorProto.FLOAT, ["b", 1, "s", "r", "c"], "has 5 axes, a pipeline of 2 Dimensions gives 4"),
    ],
)
def test_a_model_whose_tensors_are_not_what_the_manifest_makes_is_refused_when_opened(
    tmp_path: Path, dtype: int, shape: list[str | int | None], words: str
) -> None:
    entry = tiny_entry(tmp_path, typed_model(dtype, shape), Inputs=ONE_SLICE)
    with pytest.raises(PipelineBroken, match=words):
        open_pipeline(entry, Execution())
