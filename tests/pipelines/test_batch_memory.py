"""How many slices go into one inference."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from pipelines.batch_memory import (
    MOST_SLICES,
    fitting_items,
    free_gpu_bytes,
    memory_budget,
    peak_bytes,
    slices_at_once,
    without_weights,
)
from pipelines.execution import Execution
from pipelines.pipeline import open_pipeline
from pipelines.session import RUN_ERRORS, OpenModel, open_model
from tests.pipelines.tiny_models import (
    as_slices,
    axial_grid,
    graph_model,
    mean_of_slices,
    tiny_denoiser,
    tiny_entry,
)

ROOT = Path(__file__).parents[2]
SIDES = ["batch", 1, "rows", "columns"]
ONE_IMAGE = 4 * 16 * 24


def skeleton(content: bytes) -> onnx.ModelProto:
    return without_weights(onnx.load_from_string(content))


def graph(nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]] | None = None) -> onnx.ModelProto:
    return skeleton(graph_model(nodes, inputs={"x": SIDES}, outputs={"y": SIDES}, weights=weights))


def node(operator: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def chain(channels: int) -> bytes:
    """One channel to `channels` and back, by two convolutions."""
    kernel = np.full((channels, 1, 3, 3), 0.1, np.float32)
    return graph_model(
        [
            node("Conv", "x widen", "a", pads=[1] * 4),
            node("Relu", "a", "b"),
            node("Conv", "b narrow", "y", pads=[1] * 4),
        ],
        inputs={"x": SIDES},
        outputs={"y": SIDES},
        weights={"widen": kernel, "narrow": kernel.transpose(1, 0, 2, 3)},
    )


def test_activations_count_until_their_last_use_and_weights_not_at_all() -> None:
    assert peak_bytes(skeleton(chain(32)), (("x", (1, 16, 24)),)) == (1 + 32 + 32) * ONE_IMAGE
    long = graph([node("Neg", "x", "a"), node("Neg", "a", "b"), node("Neg", "b", "c"), node("Neg", "c", "y")])
    assert peak_bytes(long, (("x", (1, 16, 24)),)) == 3 * ONE_IMAGE


def test_what_a_skip_connection_carries_counts_until_it_arrives() -> None:
    skip = graph(
        [node("Neg", "x", "a"), node("Neg", "a", "b"), node("Neg", "b", "c"), node("Add", "a c", "y")]
    )
    assert peak_bytes(skip, (("x", (1, 16, 24)),)) == 4 * ONE_IMAGE


def test_what_a_branch_takes_from_outside_counts_until_then() -> None:
    inside = helper.make_graph(
        [node("Add", "a c", "z")], "branch", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)]
    )
    either = graph(
        [
            node("Neg", "x", "a"),
            node("Neg", "a", "b"),
            node("Neg", "b", "c"),
            node("If", "true", "y", then_branch=inside, else_branch=inside),
        ],
        {"true": np.array(True)},
    )
    assert peak_bytes(either, (("x", (1, 16, 24)),)) == 4 * ONE_IMAGE


def test_what_the_export_noted_of_shapes_without_a_size_does_no_harm() -> None:
    noted = skeleton(chain(32))
    for name in ("a", "b"):
        noted.graph.value_info.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 32, "rows", None])
        )
    assert peak_bytes(noted, (("x", (1, 16, 24)),)) == (1 + 32 + 32) * ONE_IMAGE


def test_shapes_that_a_small_weight_spells_out_are_followed() -> None:
    shape = {"shape": np.array([0, 1, -1, 8], np.int64), "back": np.array([0, 1, 16, 24], np.int64)}
    reshaped = graph([node("Reshape", "x shape", "a"), node("Reshape", "a back", "y")], shape)
    assert peak_bytes(reshaped, (("x", (1, 16, 24)),)) == 3 * ONE_IMAGE


def test_a_graph_of_several_inputs_is_estimated_as_the_sampler_runs_it() -> None:
    shapes = (("slices", (1, 16, 24)), ("noisy", (1, 16, 24)), ("time", ()))
    found = peak_bytes(skeleton(tiny_denoiser()), shapes)
    assert found is not None
    assert 5 * ONE_IMAGE < found < 5 * ONE_IMAGE + 100


def test_where_a_shape_cannot_be_told_items_run_one_by_one() -> None:
    counted = graph(
        [
            node("NonZero", "x", "places"),
            node("ReduceSum", "places", "total", keepdims=0),
            node("Cast", "total", "t", to=TensorProto.FLOAT),
            node("Add", "x t", "y"),
        ]
    )
    assert peak_bytes(counted, (("x", (1, 16, 24)),)) is None
    assert fitting_items(counted, 1 << 40, (("x", (1, 16, 24)),)) == 1


@pytest.mark.parametrize(("images", "items"), [(64, 1), (65, 1), (130, 2), (194, 2), (650, 10), (0, 1)])
def test_as_many_items_as_the_budget_holds_and_never_none(images: int, items: int) -> None:
    assert fitting_items(skeleton(chain(32)), images * ONE_IMAGE, (("x", (1, 16, 24)),)) == items


IN_AN_ARENA = """
import sys
import numpy as np, onnx, onnxruntime as ort
from pipelines.batch_memory import fitting_items, without_weights
from tests.pipelines.test_batch_memory import chain

limit = 64 << 20
memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(memory, ort.OrtArenaCfg(limit, 1, -1, -1))
options = ort.SessionOptions()
options.log_severity_level = 4
options.enable_mem_pattern = False
options.intra_op_num_threads = 1
options.add_session_config_entry("session.use_env_allocators", "1")
session = ort.InferenceSession(chain(32), options, providers=["CPUExecutionProvider"])
fit = fitting_items(without_weights(onnx.load_from_string(chain(32))), limit // 2, (("x", (1, 128, 128)),))
session.run(None, {"x": np.ones((fit, 1, 128, 128), np.float32)})
print(fit, "fit")
try:
    session.run(None, {"x": np.ones((4 * fit, 1, 128, 128), np.float32)})
except Exception as error:
    print("four times as many:", type(error).__name__)
"""


def test_onnx_runtime_really_runs_the_estimate_in_that_memory_and_not_four_times_as_much() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_AN_ARENA], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[0] == "7 fit"
    assert "four times as many:" in done.stdout


class Recording:
    """A session that doubles its input and fails above `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tried: list[int] = []

    def get_inputs(self) -> list[Any]:
        return []

    get_outputs = get_inputs

    def run(self, outputs: list[str], inputs: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        (values,) = inputs.values()
        self.tried.append(len(values))
        if len(values) > self.most:
            raise RUN_ERRORS[0]("out of memory")
        return [values * 2]


def test_a_batch_is_cut_to_what_fits_before_the_first_run_and_halved_where_that_was_too_much() -> None:
    asked: list[Any] = []

    def fits(shapes: Any) -> int:
        asked.append(shapes)
        return 4

    batch = np.random.default_rng(0).random((7, 1, 4, 4), np.float32)
    session = Recording(most=9)
    model = OpenModel("tiny", session, "CPUExecutionProvider", fits=fits)
    np.testing.assert_array_equal(model.run("y", {"x": batch}), batch * 2)
    assert session.tried == [4, 3]
    assert asked[0] == (("x", (1, 4, 4)),)
    small = Recording(most=2)
    model = OpenModel("tiny", small, "CPUExecutionProvider", fits=fits)
    np.testing.assert_array_equal(model.run("y", {"x": batch}), batch * 2)
    assert small.tried == [4, 2, 2, 2, 1]


@pytest.mark.parametrize(
    ("providers", "slices"),
    [
        ("CPUExecutionProvider", 1),
        ("CUDAExecutionProvider", MOST_SLICES),
        ("TensorrtExecutionProvider, CUDAExecutionProvider", MOST_SLICES),
        ("CUDAExecutionProvider, CPUExecutionProvider", 1),
        ("KServe v2: triton 2.51.0", 1),
    ],
)
def test_only_a_gpu_is_given_several_slices_unless_the_configuration_says_so(
    providers: str, slices: int
) -> None:
    assert slices_at_once(Execution(), providers) == slices
    assert slices_at_once(Execution(batch_slices=3), providers) == 3


def test_on_the_processor_slices_run_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = OpenModel.run

    def recording(model: OpenModel, output: str, inputs: Any) -> Any:
        sizes.append(len(inputs["slices"]))
        return run(model, output, inputs)

    monkeypatch.setattr(OpenModel, "run", recording)
    values = np.zeros((4, 8, 8), np.float32)
    for execution in (Execution(), Execution(batch_slices=2)):
        pipeline = open_pipeline(tiny_entry(tmp_path, mean_of_slices(3)), execution)
        list(pipeline.stream(as_slices(values), axial_grid(4, 8, 8), seed=0))
    assert sizes == [1, 1, 1, 1, 2, 2]


def test_a_model_on_a_gpu_is_opened_with_its_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor in the part of the GPU: only where tensors lie differs."""
    monkeypatch.setattr("pipelines.session.GPU_PROVIDERS", {"CPUExecutionProvider"})
    content = chain(32)
    limit = len(content) + 2 * 3 * 66 * ONE_IMAGE  # half of it holds three items
    model = open_model("tiny", content, Execution(gpu_memory_bytes=limit, parallel_slices=1))
    batch = np.random.default_rng(0).random((5, 1, 16, 24), np.float32)
    sizes: list[int] = []
    run_once = model._run_once

    def recording(output: str, inputs: Any) -> Any:
        sizes.append(len(inputs["x"]))
        return run_once(output, inputs)

    monkeypatch.setattr(model, "_run_once", recording)
    assert model.run("y", {"x": batch}).shape == batch.shape
    assert sizes == [3, 2]
    chosen = open_model("tiny", content, Execution(gpu_memory_bytes=limit, batch_slices=8))
    assert chosen._fits is None


def test_the_budget_is_half_of_the_limit_less_the_weights_shared_among_the_workers() -> None:
    limited = Execution(gpu_memory_bytes=10_000, parallel_slices=4)
    assert memory_budget(limited, weights_bytes=2000) == 1000
    assert memory_budget(limited, weights_bytes=20_000) == 0


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_a_limit_the_fullest_device_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, "echo 4096; echo 1024")
    assert free_gpu_bytes() == [4 << 30, 1 << 30]
    assert memory_budget(Execution(parallel_slices=2), weights_bytes=5) == (1 << 30) // 4


@pytest.mark.parametrize("script", ["exit 9", "echo '[N/A]'"])
def test_where_nobody_knows_what_is_free_items_run_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, script)
    budget = memory_budget(Execution(), weights_bytes=5)
    assert budget == 0
    assert fitting_items(skeleton(chain(4)), budget, (("x", (1, 16, 24)),)) == 1
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert free_gpu_bytes() == []
