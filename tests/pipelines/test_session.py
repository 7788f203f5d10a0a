"""Batches, memory, and tensors that stay where the model runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper

from pipelines.binding import length, part, resident, run_bound
from pipelines.errors import PassingTrouble, PipelineBroken
from pipelines.execution import Execution
from pipelines.providers import provider_settings
from pipelines.session import RUN_ERRORS, OpenModel, open_model
from tests.pipelines.tiny_models import graph_model, tiny_denoiser, tiny_entry

ROOT = Path(__file__).parents[2]
Values = NDArray[np.float32]


def signal(*shape: int) -> Values:
    return np.random.default_rng(2).normal(0.2, 0.5, shape).astype(np.float32)


class SmallMemory:
    """A session that doubles its input, but fails for batches above `most`."""

    def __init__(self, most: int, words: str) -> None:
        self.most = most
        self.words = words
        self.tried: list[int] = []

    def get_inputs(self) -> list[Any]:
        return []

    get_outputs = get_inputs

    def run(self, outputs: list[str], inputs: dict[str, Values]) -> list[Values]:
        (values,) = inputs.values()
        self.tried.append(len(values))
        if len(values) > self.most:
            raise RUN_ERRORS[0](self.words)
        return [values * 2]


def test_when_memory_runs_out_the_batch_is_halved_and_stays_so() -> None:
    session = SmallMemory(2, "Failed to allocate memory for requested buffer of size 1")
    model = OpenModel("tiny", session, "CPUExecutionProvider")
    batch = signal(9, 1, 4, 4)
    np.testing.assert_array_equal(model.run("y", {"x": batch}), batch * 2)
    assert session.tried == [9, 4, 2, 2, 2, 2, 1]
    session.tried.clear()
    np.testing.assert_array_equal(model.run("y", {"x": batch[:4]}), batch[:4] * 2)
    assert session.tried == [2, 2]


IN_LITTLE_MEMORY = """
import numpy as np, onnxruntime as ort
from pipelines.execution import Execution
from pipelines.session import OpenModel
from tests.pipelines.tiny_models import slice_convolution

memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(memory, ort.OrtArenaCfg(48 << 20, 1, -1, -1))
options = ort.SessionOptions()
options.log_severity_level = 4
options.add_session_config_entry("session.use_env_allocators", "1")
content = slice_convolution(np.full((1, 3, 1, 1), 2, np.float32))
session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
batch = np.arange(64 * 3, dtype=np.float32).reshape(64, 3, 1, 1) * np.ones((512, 512), np.float32)
result = OpenModel("tiny", session, "CPUExecutionProvider").run("denoised", {"slices": batch})
assert (result == 2 * batch.sum(axis=1, keepdims=True)).all()
try:
    session.run(None, {"slices": batch})
except Exception as error:
    print("one batch:", type(error).__name__)
"""


def test_in_an_arena_too_small_for_the_batch_onnx_runtime_really_finishes_it_in_parts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_LITTLE_MEMORY], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.startswith("one batch: ")


@pytest.mark.parametrize(("most", "words"), [(0, "out of memory"), (3, "something else went wrong")])
def test_what_halving_cannot_help_is_a_passing_trouble(most: int, words: str) -> None:
    model = OpenModel("tiny", SmallMemory(most, words), "CPUExecutionProvider")
    with pytest.raises(PassingTrouble, match=words):
        model.run("y", {"x": signal(4, 1, 4, 4)})


def test_a_model_exported_for_single_images_is_given_them_one_at_a_time(tmp_path: Path) -> None:
    content = graph_model(
        [helper.make_node("Neg", ["slices"], ["denoised"])],
        inputs={"slices": [1, 1, "rows", "columns"]},
        outputs={"denoised": [1, 1, "rows", "columns"]},
    )
    model = open_model("tiny", tiny_entry(tmp_path, content).read_model(), Execution())
    values = signal(5, 1, 6, 6)
    np.testing.assert_array_equal(model.run("denoised", {"slices": values}), -values)


def test_threads_do_not_spin_while_they_wait() -> None:
    """On a busy machine spinning costs three times the time."""
    options = open_model("tiny", tiny_denoiser(), Execution()).session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.intra_op_num_threads == 1
    assert not options.enable_mem_pattern


def test_a_bound_run_gives_what_a_plain_run_gives() -> None:
    model = open_model("tiny", tiny_denoiser(), Execution())
    image, times = signal(3, 1, 5, 7), np.full(3, 400, np.float32)
    plain = model.run("predicted", {"slices": image, "noisy": 2 * image, "time": times})
    held = onnxruntime.OrtValue.ortvalue_from_numpy(image)
    bound = run_bound(model.session, "predicted", {"slices": held, "noisy": 2 * image, "time": times})
    assert bound.tobytes() == plain.tobytes()
    assert length(held) == length(image) == 3
    np.testing.assert_array_equal(part(held, 1, 3), image[1:3])


def test_values_stay_arrays_where_there_is_no_device() -> None:
    image = signal(1, 1, 2, 2)
    assert resident(image, "CPUExecutionProvider") is image


def test_cuda_is_set_for_repeatable_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    here = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: here)
    execution = Execution(providers=tuple(here), gpu_memory_bytes=4 << 30, engine_cache="engines")
    trt, cuda, cpu = provider_settings(execution)
    assert trt[1] == {"trt_engine_cache_enable": True, "trt_engine_cache_path": "engines"}
    assert cuda[1]["use_tf32"] == 0
    assert cuda[1]["cudnn_conv_algo_search"] == "HEURISTIC"
    assert cuda[1]["gpu_mem_limit"] == 4 << 30
    assert cpu == ("CPUExecutionProvider", {})


@pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(), reason="no CUDA device"
)
def test_cuda_agrees_with_the_processor_to_a_thousandth() -> None:
    """The tolerance stated across providers: sums in another order are all that may differ."""
    image, times = signal(3, 1, 64, 64), np.full(3, 400, np.float32)
    inputs = {"slices": image, "noisy": 2 * image, "time": times}
    on_cpu = open_model("tiny", tiny_denoiser(), Execution()).run("predicted", inputs)
    cuda = open_model("tiny", tiny_denoiser(), Execution(providers=("CUDAExecutionProvider",)))
    assert cuda.provider == "CUDAExecutionProvider"
    np.testing.assert_allclose(cuda.run("predicted", inputs), on_cpu, atol=1e-3 * np.abs(on_cpu).max())


def test_tensors_of_another_shape_than_the_model_takes_are_no_passing_trouble() -> None:
    model = open_model("tiny", tiny_denoiser(), Execution())
    image, times = signal(3, 2, 5, 7), np.full(3, 400, np.float32)
    with pytest.raises(PipelineBroken, match="does not take its inputs"):
        model.run("predicted", {"slices": image, "noisy": image, "time": times})
