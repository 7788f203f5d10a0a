"""What goes into a pipeline and comes back: several inputs, normalised, resampled, postprocessed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipelines.catalog import CatalogEntry
from pipelines.errors import Refused
from pipelines.pipeline import Execution, open_pipeline
from pipelines.prepare import Preparation
from pipelines.steps import Normalise, Scale
from pipelines.volume import SliceValues
from tests.pipelines.family_cases import ONE_SLICE, run, signal
from tests.pipelines.tiny_models import (
    as_slices,
    axial_grid,
    centre_slice,
    file_json,
    graph_model,
    slice_convolution,
    tiny_entry,
)


def two_inputs_entry(folder: Path, context: int) -> CatalogEntry:
    window = 2 * context + 1
    kernel = np.zeros((1, 2 * window, 1, 1), np.float32)
    kernel[0, context], kernel[0, window + context] = 1.0, 10.0
    inputs = [{**ONE_SLICE[0], "Name": name, "ContextSlices": context} for name in ("t1", "t2")]
    return tiny_entry(folder, slice_convolution(kernel), Inputs=inputs)


@pytest.mark.parametrize("context", [0, 1])
def test_several_inputs_become_channels_in_the_manifests_order(tmp_path: Path, context: int) -> None:
    t1, t2 = signal(4, 6, 6), signal(8, 6, 6)[4:]
    pipeline = open_pipeline(two_inputs_entry(tmp_path, context), Execution())
    grid = axial_grid(4, 6, 6)
    stream = pipeline.stream(as_slices(t1), grid, seed=0, further={"t2": as_slices(t2)})
    result = np.stack([each.values for each in stream])
    np.testing.assert_allclose(result, t1 + 10 * t2, atol=1e-5)


@pytest.mark.parametrize("further", [{}, {"flair": 4}, {"t2": 4, "flair": 4}, {"t2": 3}])
def test_missing_unknown_or_unfitting_inputs_are_refused(tmp_path: Path, further: dict[str, int]) -> None:
    pipeline = open_pipeline(two_inputs_entry(tmp_path, 0), Execution())
    given = {name: as_slices(signal(slices, 6, 6)) for name, slices in further.items()}
    with pytest.raises(Refused):
        list(pipeline.stream(as_slices(signal(4, 6, 6)), axial_grid(4, 6, 6), seed=0, further=given))


def test_mr_is_normalised_by_the_whole_series_and_brought_back(tmp_path: Path) -> None:
    model = graph_model(
        [helper.make_node("Clip", ["slices", "", "one"], ["denoised"])],
        inputs={"slices": ["batch", 1, "rows", "columns"]},
        outputs={"denoised": ["batch", 1, "rows", "columns"]},
        weights={"one": np.array(1.0, np.float32)},
    )
    steps = [{"Step": "normalise", "Percentile": 90}]
    entry = tiny_entry(tmp_path, model, Inputs=ONE_SLICE, Preprocessing=steps)
    values = np.abs(signal(5, 8, 8)) * 700
    level = float(np.percentile(values, 90))
    np.testing.assert_allclose(run(entry, values, Execution()), np.minimum(values, level), rtol=1e-5)


def test_a_translation_goes_through_its_postprocessing_instead_of_back(tmp_path: Path) -> None:
    entry = tiny_entry(
        tmp_path,
        centre_slice(1),
        Task="translate",
        Inputs=ONE_SLICE,
        OutputQuantity="hounsfield_units",
        Preprocessing=[{"Step": "scale", "Divide": 100.0}],
        Postprocessing=[
            {"Step": "scale", "Divide": 0.001, "Subtract": 1.0},
            {"Step": "clip", "Lower": -1024, "Upper": 3071},
        ],
    )
    values = np.array([[[0.0, 100.0, 150.0, 900.0]]], np.float32)
    assert run(entry, values, Execution()).ravel().tolist() == pytest.approx([-1000, 0, 500, 3071], abs=1e-3)


@pytest.mark.parametrize(
    "step",
    [
        {"Step": "resample", "SpacingMm": [0.5, 0.4]},
        {"Step": "orient", "Axes": "RA"},
        {"Step": "crop", "Shape": [10, 12]},
    ],
)
def test_results_of_spatial_steps_land_on_the_sources_grid(tmp_path: Path, step: dict[str, Any]) -> None:
    rows, columns = np.mgrid[:24, :20]
    values = np.sin(rows / 6 + columns / 9)[np.newaxis].astype(np.float32)
    entry = tiny_entry(tmp_path, centre_slice(1), Inputs=ONE_SLICE, Preprocessing=[step])
    result = run(entry, values, Execution())
    np.testing.assert_allclose(result[:, 2:-2, 2:-2], values[:, 2:-2, 2:-2], atol=0.02)
    np.testing.assert_allclose(result, values, atol=0.06)


def test_padding_counts_neither_in_the_normalisation_nor_in_the_result() -> None:
    values = np.full((2, 4, 4), 100.0, np.float32)
    padding = np.zeros((2, 4, 4), np.bool_)
    padding[:, 0], values[:, 0] = True, 32000.0
    step = Normalise.model_validate({"Step": "normalise", "Percentile": 99})
    fixed = Preparation((step,)).for_series([(values, padding), (values, padding)])
    (scale,) = fixed.steps
    assert isinstance(scale, Scale)
    assert scale.divide == 100.0


def test_padded_voxels_of_a_volume_are_hidden_from_the_network_and_kept(tmp_path: Path) -> None:
    space = ["depth", "rows", "columns"]
    model = graph_model(
        [
            helper.make_node("ReduceMax", ["slices"], ["most"]),
            helper.make_node("Add", ["slices", "most"], ["y"]),
        ],
        inputs={"slices": ["batch", 1, *space]},
        outputs={"y": ["batch", 1, *space]},
    )
    names = file_json("model.onnx", model, Input="slices", Output="y")
    entry = tiny_entry(tmp_path, model, Inputs=ONE_SLICE, Dimensions=3, Model=names)
    values = np.ones((2, 4, 4), np.float32)
    values[1, 0, 0] = 9999
    hidden = np.zeros((4, 4), np.bool_)
    hidden[0, 0] = True
    slices = [SliceValues(0, values[0]), SliceValues(1, values[1], hidden)]
    first, second = open_pipeline(entry, Execution()).stream(slices, axial_grid(2, 4, 4), seed=0)
    assert (first.values == 2).all()
    assert second.values[0, 0] == 9999
    assert (second.values[~hidden] == 2).all()
