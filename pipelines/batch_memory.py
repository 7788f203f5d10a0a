"""How many items one inference may hold: estimated from the network's graph before it first runs.

Only for GPUs. On a CPU every core already works on a slice of its own; a batch would add memory and no speed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from math import prod

import onnx

from pipelines.binding import GPU_PROVIDERS
from pipelines.execution import Execution
from pipelines.onnx_check import inputs_of, nodes_of

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
"""Each input's name and the shape of one item of its batch."""

MOST_SLICES = 8
"""Handed to one inference on a GPU at most: several workers hand it theirs at the same time."""
SHARE = 0.5
"""Of the memory at hand that activations may fill; the rest is for work space, gaps and other models."""
SMALL = 4096
"""Bytes; larger weights cannot be a shape that shape inference needs to read."""


def slices_at_once(execution: Execution, providers: str) -> int:
    """Slices for one inference on the `providers` (comma and space between them) that really run it."""
    if execution.batch_slices:
        return execution.batch_slices
    return MOST_SLICES if set(providers.split(", ")) <= GPU_PROVIDERS else 1


def memory_budget(execution: Execution, weights_bytes: int) -> int:
    """Bytes of GPU memory for the activations of one inference; 0 where nobody knows what is free.

    To be asked once the weights are loaded. Of several devices the fullest counts: a process does not know
    by which number nvidia-smi calls its own.
    """
    limit = execution.gpu_memory_bytes
    free = min(free_gpu_bytes(), default=0) if limit is None else max(0, limit - weights_bytes)
    return int(SHARE * free) // execution.workers


def free_gpu_bytes() -> list[int]:
    """Of each device, as nvidia-smi says (which it does in MiB); empty where there is none."""
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        return [int(line) << 20 for line in said.split()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def fitting_items(skeleton: onnx.ModelProto, budget_bytes: int, shapes: Shapes) -> int:
    """Items of these shapes that fit together; 1 where that cannot be told."""
    needed = peak_bytes(skeleton, shapes)
    return max(1, budget_bytes // needed) if needed else 1


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph alone: every large weight becomes an input of its type and shape."""
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    del skeleton.graph.initializer[:]
    for tensor in model.graph.initializer:
        if tensor.ByteSize() <= SMALL:
            skeleton.graph.initializer.append(tensor)
        elif all(value.name != tensor.name for value in skeleton.graph.input):
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            skeleton.graph.input.append(value)
    return skeleton


def peak_bytes(skeleton: onnx.ModelProto, shapes: Shapes) -> int | None:
    """Most that the inputs and activations of one item take at any time, each let go after its last use.

    None if shape inference does not find every shape. What a loop or branch holds inside is not counted, nor
    is work space; what the runtime fuses or overwrites is counted although it takes nothing.
    """
    sizes = _sizes(skeleton, dict(shapes))
    if sizes is None:
        return None
    last_use = {name: place for place, node in enumerate(skeleton.graph.node) for name in _used(node)}
    kept = {output.name for output in skeleton.graph.output} | {name for name, _ in shapes}
    live = sum(sizes[name] for name, _ in shapes)
    peak = live
    for place, node in enumerate(skeleton.graph.node):
        live += sum(sizes[name] for name in node.output if name)
        peak = max(peak, live)
        done = {name for name in (*_used(node), *node.output) if last_use.get(name, place) == place}
        live -= sum(sizes.get(name, 0) for name in done - kept)
    return peak


def _sizes(skeleton: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> dict[str, int] | None:
    """Bytes of every input and activation by name; None if one is not known."""
    model = onnx.ModelProto()
    model.CopyFrom(skeleton)
    for value in inputs_of(model.graph):
        if value.name in shapes:
            kind = value.type.tensor_type.elem_type
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, (1, *shapes[value.name])))
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except onnx.shape_inference.InferenceError:
        return None
    known = {value.name: _bytes(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    wanted = {*shapes, *(name for node in graph.node for name in node.output if name)}
    found: dict[str, int] = {name: size for name in wanted if (size := known.get(name)) is not None}
    return found if len(found) == len(wanted) else None


def _bytes(value: onnx.ValueInfoProto) -> int | None:
    kind = value.type.tensor_type
    if not kind.elem_type or not all(side.HasField("dim_value") for side in kind.shape.dim):
        return None
    item: int = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
    sides: list[int] = [side.dim_value for side in kind.shape.dim]
    return item * prod(sides) if kind.HasField("shape") else None


def _used(node: onnx.NodeProto) -> Iterator[str]:
    """Names a node reads, those that its inner graphs read from outside too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from (name for each in nodes_of(inner) for name in each.input)
