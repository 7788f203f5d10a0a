"""`configs/metadata.json` of a MONAI bundle, by the MONAI Bundle Specification.

It is read as plain JSON. MONAI's expressions (`$...`, `@...`) are text like any other here: nothing of a
bundle is ever evaluated, and its other configurations are not opened.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from pipelines.errors import PipelineBroken
from pipelines.manifest_part import read_part

METADATA_FILE = Path("configs", "metadata.json")
NO_MODALITY = ("", "n/a")
IMAGES = ("hounsfield", "magnitude")
"""Tensor formats that are images in a quantity; all others (labels, classes, kspace, ...) are not."""
MULTIPLE = re.compile(r"(\d{1,3})(?:\*\*(\d{1,2}))?\*[a-z]")
"""`16*n` or `2**4*n`: a multiple of 16."""
NOT_OURS = "Orthogen runs networks that turn images into one image"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TensorFormat(_Read):
    """One tensor that goes in or comes out."""

    type: str
    format: str
    modality: str = "n/a"
    num_channels: int = Field(ge=1)
    spatial_shape: tuple[int | str, ...]
    dtype: str = "float32"
    value_range: tuple[float, ...] = ()
    is_patch_data: bool = False
    channel_def: dict[str, str] = Field(default_factory=dict)


class DataFormat(_Read):
    inputs: dict[str, TensorFormat]
    outputs: dict[str, TensorFormat]


class BundleMetadata(_Read):
    """What of the metadata is of use here; further keys are ignored."""

    version: str
    task: str
    description: str
    authors: str | tuple[str, ...] = Field(validation_alias=AliasChoices("authors", "authorship"))
    copyright: str | None = None
    intended_use: str | None = None
    data_source: str | None = None
    eval_metrics: Any = None
    references: tuple[str, ...] = ()
    network_data_format: DataFormat


def read_metadata(bundle_folder: Path) -> BundleMetadata:
    """Raises `PipelineBroken` naming what is missing or malformed."""
    return read_part(
        bundle_folder / METADATA_FILE,
        BundleMetadata,
        missing="name the folder of a MONAI bundle",
        faulty="correct it by the MONAI Bundle Specification",
    )


def image_input(metadata: BundleMetadata) -> TensorFormat:
    """The only input; `PipelineBroken` if it is no float image of two or three dimensions."""
    name, tensor = _only(metadata.network_data_format.inputs, "inputs")
    _check_image(f"input {name!r}", tensor)
    return tensor


def image_output(metadata: BundleMetadata) -> TensorFormat:
    """The only output; `PipelineBroken` if it is no image of one channel (a segmentation, a class, ...)."""
    name, tensor = _only(metadata.network_data_format.outputs, "outputs")
    _check_image(f"output {name!r}", tensor)
    if tensor.num_channels != 1:
        raise PipelineBroken(f"output {name!r} has {tensor.num_channels} channels", remedy=NOT_OURS)
    return tensor


def window_shape(tensor: TensorFormat) -> tuple[int, ...] | None:
    """The one size the network takes; None where the size is free, or a multiple of `size_multiple`."""
    fixed = tuple(side for side in tensor.spatial_shape if isinstance(side, int))
    if fixed and len(fixed) < len(tensor.spatial_shape):
        what = f"spatial_shape {list(tensor.spatial_shape)} is fixed along some axes only"
        raise PipelineBroken(what, remedy="export the network for one size, or for any size")
    return fixed or None


def size_multiple(tensor: TensorFormat) -> int:
    """The number every free side must be a multiple of."""
    return math.lcm(*(_multiple(side) for side in tensor.spatial_shape if isinstance(side, str)))


def _multiple(side: str) -> int:
    if side == "*":
        return 1
    found = MULTIPLE.fullmatch(side.replace(" ", ""))
    if found is None:
        what = f"spatial_shape holds {side!r}, an expression, and expressions are not evaluated"
        raise PipelineBroken(what, remedy='write a number, "*", or a multiple such as "16*n"')
    base, power = int(found[1]), int(found[2] or 1)
    return math.prod([base] * power)


def _only(tensors: dict[str, TensorFormat], which: str) -> tuple[str, TensorFormat]:
    if len(tensors) != 1:
        what = f"network_data_format has {len(tensors)} {which} ({', '.join(tensors) or 'none'})"
        raise PipelineBroken(what, remedy=NOT_OURS)
    return next(iter(tensors.items()))


def _check_image(which: str, tensor: TensorFormat) -> None:
    if tensor.type != "image" or tensor.format not in IMAGES:
        what = f"{which} is of type {tensor.type!r} and format {tensor.format!r}"
        raise PipelineBroken(what, remedy=f"{NOT_OURS}, of format {' or '.join(IMAGES)}")
    if tensor.dtype != "float32":
        raise PipelineBroken(f"{which} is {tensor.dtype}", remedy="export it as float32")
    if len(tensor.spatial_shape) not in (2, 3):
        what = f"{which} has {len(tensor.spatial_shape)} spatial axes"
        raise PipelineBroken(what, remedy="only slices (2) and volumes (3) can be run")
    if tensor.channel_def and len(tensor.channel_def) != tensor.num_channels:
        what = f"{which} has {tensor.num_channels} channels, but channel_def names {len(tensor.channel_def)}"
        raise PipelineBroken(what, remedy="correct the metadata")
