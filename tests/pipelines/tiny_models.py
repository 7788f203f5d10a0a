"""Networks of a few nodes, and folders that hold them, made by code."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipelines.catalog import CatalogEntry, load_entry
from pipelines.volume import SliceGrid, SliceValues

OPSET = 17


def graph_model(
    nodes: list[onnx.NodeProto],
    *,
    inputs: dict[str, list[Any]],
    outputs: dict[str, list[Any]],
    weights: dict[str, NDArray[Any]] | None = None,
) -> bytes:
    """A serialised model; shapes may hold names for dynamic axes."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opset, ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def slice_convolution(kernel: NDArray[np.float32]) -> bytes:
    """`slices` (batch, channels, rows, columns) to `denoised` (batch, 1, rows, columns)."""
    channels = kernel.shape[1]
    pad = kernel.shape[2] // 2
    node = helper.make_node("Conv", ["slices", "kernel"], ["denoised"], pads=[pad] * 4)
    return graph_model(
        [node],
        inputs={"slices": ["batch", channels, "rows", "columns"]},
        outputs={"denoised": ["batch", 1, "rows", "columns"]},
        weights={"kernel": kernel},
    )


def mean_of_slices(channels: int) -> bytes:
    """The mean over the window's slices."""
    return slice_convolution(np.full((1, channels, 1, 1), 1.0 / channels, np.float32))


def centre_slice(channels: int, *, factor: float = 1.0) -> bytes:
    """The window's middle slice times `factor`."""
    kernel = np.zeros((1, channels, 1, 1), np.float32)
    kernel[0, channels // 2] = factor
    return slice_convolution(kernel)


def manifest_json(model: bytes, **changes: Any) -> dict[str, Any]:
    """A minimal manifest for `model` as model.onnx; `changes` replace whole top-level keys."""
    manifest: dict[str, Any] = {
        "Name": "tiny",
        "Version": "0.1.0",
        "Task": "denoise",
        "Family": "regression",
        "Generative": False,
        "Publisher": "Orthogen",
        "Description": "A test network.",
        "Inputs": [{"Name": "slices", "Modality": "CT", "Quantity": "hounsfield_units", "ContextSlices": 1}],
        "Model": {
            "File": "model.onnx",
            "Sha256": sha256(model).hexdigest(),
            "Input": "slices",
            "Output": "denoised",
        },
    }
    return manifest | changes


def write_folder(folder: Path, model: bytes, manifest: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / "pipeline.json").write_text(json.dumps(manifest or manifest_json(model)))
    return folder


def tiny_entry(folder: Path, model: bytes, **changes: Any) -> CatalogEntry:
    """A verified folder with `model` and a manifest changed by `changes`."""
    return load_entry(write_folder(folder, model, manifest_json(model, **changes)))


def axial_grid(slices: int, rows: int, columns: int, **changes: Any) -> SliceGrid:
    """Axial slices 2 mm apart, 0.7 mm pixels."""
    settings: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "pixel_spacing_mm": (0.7, 0.7),
        "row_direction_lps": (1.0, 0.0, 0.0),
        "column_direction_lps": (0.0, 1.0, 0.0),
        "positions_lps_mm": tuple((0.0, 0.0, 2.0 * index) for index in range(slices)),
        "slice_thickness_mm": 2.0,
    }
    return SliceGrid(**(settings | changes))


def as_slices(values: NDArray[np.float32]) -> list[SliceValues]:
    """(slices, rows, columns) as the stream a pipeline takes."""
    return [SliceValues(index, slice_) for index, slice_ in enumerate(values)]


def tiny_denoiser(*, time_type: int = TensorProto.FLOAT, channels: int = 1) -> bytes:
    """`predicted` = 0.3 noisy + 0.1 condition + time / 5000: a denoiser with `noisy` and `time` inputs."""
    nodes = [
        helper.make_node("Mul", ["noisy", "a"], ["noisy_part"]),
        helper.make_node("Mul", ["slices", "b"], ["condition_part"]),
        helper.make_node("Cast", ["time"], ["float_time"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["float_time", "axes"], ["time_image"]),
        helper.make_node("Mul", ["time_image", "c"], ["time_part"]),
        helper.make_node("Add", ["noisy_part", "condition_part"], ["image_part"]),
        helper.make_node("Add", ["image_part", "time_part"], ["predicted"]),
    ]
    image: list[str | int | None] = ["batch", channels, "rows", "columns"]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("slices", TensorProto.FLOAT, image),
            helper.make_tensor_value_info("noisy", TensorProto.FLOAT, image),
            helper.make_tensor_value_info("time", time_type, ["batch"]),
        ],
        [helper.make_tensor_value_info("predicted", TensorProto.FLOAT, image)],
        [
            numpy_helper.from_array(np.array(0.3, np.float32), "a"),
            numpy_helper.from_array(np.array(0.1, np.float32), "b"),
            numpy_helper.from_array(np.array(1 / 5000, np.float32), "c"),
            numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
        ],
    )
    opset = [helper.make_opsetid("", OPSET)]
    serialised: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return serialised


def tiny_encoder() -> bytes:
    """`mean` of 2 x 2 pixels in two channels (the second negated), `log_variance` half of it."""
    kernel = np.stack([np.full((1, 2, 2), 0.25), np.full((1, 2, 2), -0.25)]).astype(np.float32)
    latents = ["batch", 2, "latent_rows", "latent_columns"]
    return graph_model(
        [
            helper.make_node("Conv", ["slices", "kernel"], ["mean"], strides=[2, 2]),
            helper.make_node("Mul", ["mean", "half"], ["log_variance"]),
        ],
        inputs={"slices": ["batch", 1, "rows", "columns"]},
        outputs={"mean": latents, "log_variance": latents},
        weights={"kernel": kernel, "half": np.array(0.5, np.float32)},
    )


def tiny_decoder() -> bytes:
    """`image`: the difference of the two latent channels, each spread over 2 x 2 pixels."""
    kernel = np.stack([np.full((1, 2, 2), 0.5), np.full((1, 2, 2), -0.5)]).astype(np.float32)
    return graph_model(
        [helper.make_node("ConvTranspose", ["latents", "kernel"], ["image"], strides=[2, 2])],
        inputs={"latents": ["batch", 2, "latent_rows", "latent_columns"]},
        outputs={"image": ["batch", 1, "rows", "columns"]},
        weights={"kernel": kernel},
    )


def file_json(name: str, content: bytes, **tensors: Any) -> dict[str, Any]:
    """A manifest's part for one ONNX file."""
    return {"File": name, "Sha256": sha256(content).hexdigest(), **tensors}
