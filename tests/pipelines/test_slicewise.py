import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.catalog import CatalogEntry
from pipelines.errors import ConfigurationError, JobInterrupted, PipelineBroken, Refused
from pipelines.pipeline import Execution, open_pipeline
from pipelines.volume import SliceValues
from tests.pipelines.tiny_models import (
    as_slices,
    axial_grid,
    centre_slice,
    manifest_json,
    mean_of_slices,
    slice_convolution,
    tiny_entry,
)


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(40, 30, shape).astype(np.float32)


def run(entry: CatalogEntry, values: NDArray[np.float32], execution: Execution) -> NDArray[np.float32]:
    grid = axial_grid(*values.shape)
    results = list(open_pipeline(entry, execution).stream(as_slices(values), grid, seed=0))
    assert [result.index for result in results] == list(range(len(values)))
    return np.stack([result.values for result in results])


def test_each_result_is_the_networks_answer_to_its_window(tmp_path: Path) -> None:
    values = noise(6, 16, 24)
    results = run(tiny_entry(tmp_path, mean_of_slices(3)), values, Execution())
    around = np.concatenate([values[:1], values, values[-1:]])
    expected = (around[:-2] + around[1:-1] + around[2:]) / 3
    np.testing.assert_allclose(results, expected, atol=1e-4)


def test_a_series_of_one_slice_is_its_own_neighbour(tmp_path: Path) -> None:
    values = noise(1, 8, 8)
    np.testing.assert_allclose(
        run(tiny_entry(tmp_path, mean_of_slices(3)), values, Execution()), values, atol=1e-4
    )


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 1), (5, 1), (1, 2)])
def test_the_bytes_do_not_depend_on_how_many_slices_run_at_once(
    tmp_path: Path, workers: int, threads: int
) -> None:
    entry = tiny_entry(tmp_path, slice_convolution(np.random.default_rng(1).random((1, 3, 5, 5), np.float32)))
    values = noise(9, 33, 31)
    alone = run(entry, values, Execution(parallel_slices=1))
    wide = run(entry, values, Execution(parallel_slices=workers, threads_per_session=threads))
    assert wide.tobytes() == alone.tobytes()


def test_odd_sizes_are_padded_for_the_network_and_come_back_at_their_own_size(tmp_path: Path) -> None:
    model = centre_slice(3)
    names = manifest_json(model)["Model"] | {"SizeMultiple": 8}
    values = noise(2, 13, 9)
    results = run(tiny_entry(tmp_path, model, Model=names), values, Execution())
    np.testing.assert_array_equal(results, values)


def test_slices_are_pulled_only_a_few_ahead_of_the_results(tmp_path: Path) -> None:
    pulled: list[int] = []

    def source() -> Iterator[SliceValues]:
        for slice_ in as_slices(noise(40, 8, 8)):
            pulled.append(slice_.index)
            yield slice_

    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), Execution(parallel_slices=2))
    for result in pipeline.stream(source(), axial_grid(40, 8, 8), seed=0):
        assert len(pulled) <= result.index + 1 + 1 + 4
    assert len(pulled) == 40


def test_stopping_early_leaves_no_thread_and_closes_the_source(tmp_path: Path) -> None:
    closed = threading.Event()

    def source() -> Iterator[SliceValues]:
        try:
            yield from as_slices(noise(40, 8, 8))
        finally:
            closed.set()

    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), Execution(parallel_slices=2))
    stream = pipeline.stream(source(), axial_grid(40, 8, 8), seed=0)
    next(stream)
    stream.close()
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("infer")]


def test_the_source_slice_travels_with_its_result_and_is_unchanged(tmp_path: Path) -> None:
    slices = as_slices(noise(3, 8, 8))
    before = [slice_.values.copy() for slice_ in slices]
    pipeline = open_pipeline(tiny_entry(tmp_path, centre_slice(3, factor=0.5)), Execution())
    for slice_, copy, result in zip(
        slices, before, pipeline.stream(slices, axial_grid(3, 8, 8), seed=0), strict=True
    ):
        assert result.source is slice_
        np.testing.assert_array_equal(slice_.values, copy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda slices: slices[1:], "slices_out_of_order"),
        (lambda slices: slices[:-1], "slices_missing"),
        (lambda slices: [slices[0], SliceValues(1, noise(9, 8)), slices[2]], "slice_size_differs"),
    ],
)
def test_slices_that_do_not_fit_their_grid_are_refused(tmp_path: Path, change, reason: str) -> None:  # type: ignore[no-untyped-def]
    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), Execution())
    with pytest.raises(Refused) as caught:
        list(pipeline.stream(change(as_slices(noise(3, 8, 8))), axial_grid(3, 8, 8), seed=0))
    assert caught.value.reason == reason


def test_the_provider_and_runtime_really_used_are_named(tmp_path: Path) -> None:
    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), Execution())
    assert pipeline.execution_provider == "CPUExecutionProvider"
    assert pipeline.runtime.startswith("onnxruntime 1.")
    assert pipeline.warnings == ()


def test_falling_back_to_the_processor_is_a_visible_warning(tmp_path: Path) -> None:
    execution = Execution(providers=("DnnlExecutionProvider", "CPUExecutionProvider"))
    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), execution)
    assert pipeline.execution_provider == "CPUExecutionProvider"
    assert "DnnlExecutionProvider was asked for" in pipeline.warnings[0]


def test_a_provider_that_is_not_here_is_an_error_when_no_other_is_allowed(tmp_path: Path) -> None:
    entry = tiny_entry(tmp_path, mean_of_slices(3))
    with pytest.raises(ConfigurationError, match="DnnlExecutionProvider is installed; choose among"):
        open_pipeline(entry, Execution(providers=("DnnlExecutionProvider",)))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineBroken, match="no ONNX model"):
        open_pipeline(tiny_entry(tmp_path, b"no model at all"), Execution())


def test_tensor_names_the_model_does_not_have_are_refused(tmp_path: Path) -> None:
    model = mean_of_slices(3)
    names = manifest_json(model)["Model"] | {"Output": "translated"}
    with pytest.raises(PipelineBroken, match="'translated'"):
        open_pipeline(tiny_entry(tmp_path, model, Model=names), Execution())


def test_a_model_that_gives_another_shape_is_refused(tmp_path: Path) -> None:
    model = slice_convolution(np.ones((2, 3, 1, 1), np.float32))
    with pytest.raises(PipelineBroken, match=r"shape \(1, 2, 8, 8\) where \(1, 1, 8, 8\)"):
        run(tiny_entry(tmp_path, model), noise(2, 8, 8), Execution())


def test_an_interrupted_stream_stops_before_its_next_inference_and_the_next_one_runs(tmp_path: Path) -> None:
    pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), Execution(parallel_slices=2))
    slices, grid = as_slices(noise(30, 8, 8)), axial_grid(30, 8, 8)
    stream = pipeline.stream(slices, grid, seed=0)
    next(stream)
    pipeline.interrupt()
    with pytest.raises(JobInterrupted):
        list(stream)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("infer")]
    assert len(list(pipeline.stream(slices, grid, seed=0))) == 30
