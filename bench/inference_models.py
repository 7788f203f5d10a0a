"""Networks of a chosen weight, made by code, for the benchmarks of the engine."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipelines.catalog import CatalogEntry, load_entry

Shape = list[str | int | None]


def slice_entry(folder: Path, channels: int) -> CatalogEntry:
    """Three slices to one: the middle one for 0 channels, else six convolutions of so many channels."""
    widths = [3, 1] if channels == 0 else [3, *[channels] * 5, 1]
    side = 1 if channels == 0 else 3
    model = convolutions(widths, (side, side), ["batch", 3, "rows", "columns"])
    steps = [{"Step": "clip", "Lower": -1024, "Upper": 3071}, {"Step": "scale", "Divide": 1000.0}]
    return write(folder, model, Preprocessing=steps, Inputs=[source(ContextSlices=1)])


def volume_entry(folder: Path) -> CatalogEntry:
    """A small 3D network in windows of 64."""
    model = convolutions([1, 8, 8, 1], (3, 3, 3), ["batch", 1, "depth", "rows", "columns"])
    return write(folder, model, Dimensions=3, Tiles={"Shape": [64, 64, 64], "Overlap": 0.25})


def diffusion_entry(folder: Path) -> CatalogEntry:
    """A denoiser that looks at the noisy image alone, in 20 steps."""
    chain = onnx.load_model_from_string(
        convolutions([1, 16, 16, 16, 1], (3, 3), ["batch", 1, "rows", "columns"], source="noisy")
    )
    image: Shape = ["batch", 1, "rows", "columns"]
    chain.graph.input.append(helper.make_tensor_value_info("slices", TensorProto.FLOAT, image))
    chain.graph.input.append(helper.make_tensor_value_info("time", TensorProto.FLOAT, ["batch"]))
    chain.graph.node[-1].output[0] = chain.graph.output[0].name = "predicted"
    model = chain.SerializeToString()
    sampler = {"Method": "ddim", "Steps": 20, "NoisyInput": "noisy", "TimeInput": "time"}
    output = model_file(model) | {"Output": "predicted"}
    return write(folder, model, Family="diffusion", Generative=True, Sampler=sampler, Model=output)


def convolutions(widths: list[int], kernel: tuple[int, ...], shape: Shape, source: str = "slices") -> bytes:
    """A chain of convolutions and ReLUs from `source` to `denoised`."""
    rng = np.random.default_rng(0)
    nodes, weights, name = [], [], source
    for layer, (taken, given) in enumerate(pairwise(widths)):
        last = layer == len(widths) - 2
        values = rng.normal(0, 1 / np.sqrt(taken * np.prod(kernel)), (given, taken, *kernel))
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{layer}"))
        pads = [side // 2 for side in kernel] * 2
        answer = "denoised" if last else f"y{layer}"
        nodes.append(helper.make_node("Conv", [name, f"w{layer}"], [answer], pads=pads))
        if not last:
            nodes.append(helper.make_node("Relu", [answer], [f"z{layer}"]))
        name = f"z{layer}"
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, [shape[0], 1, *shape[2:]])],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    serialised: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return serialised


def source(**changes: Any) -> dict[str, Any]:
    return {"Name": "slices", "Modality": "CT", "Quantity": "hounsfield_units", **changes}


def model_file(model: bytes) -> dict[str, Any]:
    digest = sha256(model).hexdigest()
    return {"File": "model.onnx", "Sha256": digest, "Input": "slices", "Output": "denoised"}


def write(folder: Path, model: bytes, **changes: Any) -> CatalogEntry:
    """A verified pipeline folder around `model`."""
    manifest: dict[str, Any] = {
        "Name": "bench",
        "Version": "0.1.0",
        "Task": "denoise",
        "Family": "regression",
        "Generative": False,
        "Publisher": "Orthogen",
        "Description": "For measuring.",
        "Inputs": [source()],
        "Model": model_file(model),
    }
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / "pipeline.json").write_text(json.dumps(manifest | changes))
    return load_entry(folder)
