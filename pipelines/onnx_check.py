"""ONNX files checked before any of their code runs: what is unsafe or cannot run is refused with the reason.

The bytes are parsed, never loaded by path, so external data is only ever seen as a name and not read.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from pipelines.errors import PipelineBroken

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime itself brings; any other domain would need foreign code."""
READS_FILES = frozenset({"EPContext"})
"""Operators of ONNX Runtime's own that name a file to load."""
OLDEST_OPSET = 11
NEWEST_OPSET = onnx.defs.onnx_opset_version()


def check_model(name: str, content: bytes) -> onnx.ModelProto:
    """The parsed model; raises `PipelineBroken` with the reason if it must not be given to ONNX Runtime."""
    model = _parsed(name, content)
    if reason := next(_reasons(model), None):
        raise PipelineBroken(f"{name}: {reason[0]}", remedy=reason[1])
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        first_line = str(error).partition("\n")[0]
        what = f"{name}: the model is malformed: {first_line}"
        raise PipelineBroken(what, remedy="export it again") from error
    return model


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators the model was written for; 0 if it names none."""
    return next((used.version for used in model.opset_import if used.domain in ("", "ai.onnx")), 0)


def inputs_of(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """What must be given at every run: the graph's inputs but for its weights."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those inside loops and branches too."""
    for node in graph.node:
        yield node
        for inner in _graphs_in(node):
            yield from nodes_of(inner)


def _parsed(name: str, content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        what = f"{name}: the file is no ONNX model, or was cut short or damaged"
        raise PipelineBroken(what, remedy="copy or export it again") from error
    return model


def _reasons(model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
    if not model.graph.node:
        yield "the file holds no network", "export the model again"
    for node in _all_nodes(model):
        if node.domain not in DOMAINS:
            what = f"it uses the custom operator {node.domain}.{node.op_type}"
            yield what, "export it with standard ONNX operators only"
        if node.op_type in READS_FILES:
            yield f"its operator {node.op_type} loads another file", "export the model itself, not its engine"
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            what = f"the weights {tensor.name!r} lie in another file"
            yield what, "export it as one file, with its weights inside"
    if not OLDEST_OPSET <= opset(model) <= NEWEST_OPSET:
        what = f"it is written for operator set {opset(model)}"
        yield what, f"export it for {OLDEST_OPSET} to {NEWEST_OPSET}"


def _all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    yield from nodes_of(model.graph)
    for function in model.functions:
        for node in function.node:
            yield node
            for inner in _graphs_in(node):
                yield from nodes_of(inner)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in [model.graph, *(inner for node in _all_nodes(model) for inner in _graphs_in(node))]:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in _all_nodes(model):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _graphs_in(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
