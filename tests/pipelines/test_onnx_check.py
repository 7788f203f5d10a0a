"""Unsafe or broken files are refused before ONNX Runtime sees them, and without reading anything else."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipelines.errors import PipelineBroken
from pipelines.execution import Execution
from pipelines.onnx_check import check_model
from pipelines.session import open_model
from tests.pipelines.tiny_models import graph_model, mean_of_slices, slice_convolution

MODEL = slice_convolution(np.ones((1, 3, 3, 3), np.float32))


def changed(change) -> bytes:  # type: ignore[no-untyped-def]
    model = onnx.load_model_from_string(MODEL)
    change(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def external(location: str) -> bytes:
    def move_weights(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return changed(move_weights)


def external_in_a_constant() -> bytes:
    def add_constant(model: onnx.ModelProto) -> None:
        tensor = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="hidden.bin")
        model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))

    return changed(add_constant)


def custom_operator(domain: str) -> bytes:
    def add_node(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Evil", ["denoised"], ["unused"], domain=domain))
        model.opset_import.append(helper.make_opsetid(domain, 1))

    return changed(add_node)


def custom_operator_in_a_branch() -> bytes:
    inner = helper.make_graph(
        [helper.make_node("Evil", [], ["out"], domain="com.evil")],
        "inner",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])],
    )

    def add_branch(model: onnx.ModelProto) -> None:
        node = helper.make_node("If", ["condition"], ["unused"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)

    return changed(add_branch)


def engine_in_another_file() -> bytes:
    def add_node(model: onnx.ModelProto) -> None:
        node = helper.make_node("EPContext", ["denoised"], ["unused"], domain="com.microsoft")
        node.attribute.append(helper.make_attribute("ep_cache_context", "../../secret.engine"))
        model.graph.node.append(node)
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    return changed(add_node)


def other_opset(version: int) -> bytes:
    def set_version(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return changed(set_version)


def unknown_operator() -> bytes:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Convolve"

    return changed(rename)


FAULTS = {
    "empty": (b"", "no network"),
    "text": (b"this is not a model", "no ONNX model"),
    "truncated": (MODEL[: len(MODEL) // 2], "cut short|malformed|no network"),
    "external": (external("weights.bin"), "weights 'kernel' lie in another file"),
    "traversal": (external("../../../etc/passwd"), "weights 'kernel' lie in another file"),
    "absolute": (external("/etc/passwd"), "weights 'kernel' lie in another file"),
    "external constant": (external_in_a_constant(), "'hidden' lie in another file"),
    "custom operator": (custom_operator("com.evil"), r"custom operator com\.evil\.Evil"),
    "custom operator in a branch": (custom_operator_in_a_branch(), r"custom operator com\.evil\.Evil"),
    "engine": (engine_in_another_file(), "EPContext loads another file"),
    "old": (other_opset(7), "operator set 7; export it for 11 to"),
    "future": (other_opset(999), "operator set 999"),
    "unknown operator": (unknown_operator(), "malformed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused_with_the_reason_before_a_session_is_made(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_session(*_: object, **__: object) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr("pipelines.session.onnxruntime.InferenceSession", no_session)
    content, reason = FAULTS[fault]
    with pytest.raises(PipelineBroken, match=reason) as caught:
        open_model("tiny", content, Execution())
    assert caught.value.remedy


def test_external_data_is_not_even_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "secret.bin"
    outside.write_bytes(b"\0" * 4096)
    before = outside.stat().st_atime_ns
    inside = tmp_path / "pipeline"
    inside.mkdir()
    monkeypatch.chdir(inside)
    with pytest.raises(PipelineBroken, match="another file"):
        open_model("tiny", external("../secret.bin"), Execution())
    assert outside.stat().st_atime_ns == before


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.6, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused(keep: float) -> None:
    with pytest.raises(PipelineBroken):
        open_model("tiny", MODEL[: int(len(MODEL) * keep)], Execution())


def test_a_graph_onnx_runtime_cannot_run_is_refused() -> None:
    node = helper.make_node("MatMul", ["slices", "weights"], ["denoised"])
    model = graph_model(
        [node],
        inputs={"slices": [1, 3, 8, 8]},
        outputs={"denoised": [1, 3, 8, 8]},
        weights={"weights": np.ones((5, 5), np.float32)},
    )
    with pytest.raises(PipelineBroken, match="ONNX Runtime refuses"):
        open_model("tiny", model, Execution())


def test_sound_models_pass() -> None:
    assert check_model("tiny", mean_of_slices(3)).graph.node[0].op_type == "Conv"


def test_operators_of_onnx_runtime_itself_pass_and_run() -> None:
    node = helper.make_node("Gelu", ["slices"], ["denoised"], domain="com.microsoft")
    model = onnx.load_model_from_string(
        graph_model([node], inputs={"slices": ["batch", 4]}, outputs={"denoised": ["batch", 4]})
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    opened = open_model("tiny", model.SerializeToString(), Execution())
    assert opened.run("denoised", {"slices": np.zeros((2, 4), np.float32)}).tolist() == [[0] * 4] * 2
