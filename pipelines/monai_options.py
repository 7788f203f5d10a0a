"""What the importer of a MONAI bundle must say himself, held against what its metadata says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from pipelines.consistency import Consistency
from pipelines.gate_thresholds import GateThresholds
from pipelines.manifest import InputSpec, PlainStep, Step, Task
from pipelines.manifest_part import ManifestPart, read_part
from pipelines.monai_metadata import NO_MODALITY, BundleMetadata, TensorFormat, image_input, image_output
from pipelines.spatial_steps import Orient
from pipelines.steps import Clip, Normalise, Scale
from pipelines.volume import Quantity

ENVELOPE = ("rows_columns", "pixel_spacing_mm", "slice_spacing_mm")


class BundleOptions(ManifestPart):
    """What the metadata of a bundle does not say, in the words of `pipeline.json`."""

    task: Task
    family: Literal["GAN", "regression"]
    generative: bool
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    """With the quantity and the acceptance envelope: RowsColumns, PixelSpacingMm, in 3D SliceSpacingMm."""
    preprocessing: tuple[Step, ...]
    """With an orient step (MONAI's axcodes) and the scaling of intensities, which stand in no metadata."""
    postprocessing: tuple[PlainStep, ...] | None = None
    output_quantity: Quantity | None = None
    consistency: Consistency | None = None
    gate: GateThresholds = GateThresholds()
    tile_overlap: float = Field(default=0.5, ge=0, lt=0.95)
    name: str | None = None
    """null takes the bundle folder's."""


def read_bundle_options(file: Path) -> BundleOptions:
    """Options from a JSON file; raises `PipelineBroken` naming the first that is missing or wrong."""
    remedy = "docs/add_a_pipeline.md says what a bundle's options must hold"
    return read_part(file, BundleOptions, missing=remedy, faulty=remedy)


def contradictions(metadata: BundleMetadata, options: BundleOptions) -> Iterator[tuple[str, str]]:
    """What is wrong, and the remedy; raises `PipelineBroken` where the metadata alone is."""
    image, output = image_input(metadata), image_output(metadata)
    yield from _unsaid(image, options)
    yield from _channel_contradictions(image, options)
    for known in options.inputs:
        yield from _input_contradictions(image, known)
    reached = _range_after(options.preprocessing)
    if reached and len(image.value_range) == 2 and not np.allclose(reached, image.value_range, atol=1e-3):
        said = f"Preprocessing gives {reached[0]:g} to {reached[1]:g}, the metadata's value_range is"
        yield f"{said} {list(image.value_range)}", "correct clip and scale"
    known_ranges = {limits for limits in (image.value_range, output.value_range) if limits}
    if len(known_ranges) > 1 and options.postprocessing is None:
        said = f"value_range is {list(image.value_range)} going in, {list(output.value_range)} coming out"
        yield said, "say with Postprocessing how the output becomes its quantity"


def _unsaid(image: TensorFormat, options: BundleOptions) -> Iterator[tuple[str, str]]:
    for limit in ENVELOPE[: len(image.spatial_shape)]:
        if any(getattr(known, limit) is None for known in options.inputs):
            key = InputSpec.model_fields[limit].alias
            yield f"the acceptance envelope lacks {key}", f"give each of Inputs {key}, as it was validated"
    if not any(isinstance(step, Orient) for step in options.preprocessing):
        what = "neither metadata nor options say how the network's axes lie in the patient"
        yield what, "give Preprocessing an orient step with the axcodes of the bundle's Orientation"
    if not any(isinstance(step, Clip | Normalise | Scale) for step in options.preprocessing):
        what = "neither metadata nor options say how intensities are scaled for the network"
        yield (
            what,
            'give Preprocessing clip, scale or normalise steps; "Divide": 1 if it takes values as they are',
        )


def _channel_contradictions(image: TensorFormat, options: BundleOptions) -> Iterator[tuple[str, str]]:
    inputs = options.inputs
    made = len(inputs) * (2 * inputs[0].context_slices + 1)
    if made != image.num_channels:
        what = f"the network takes {image.num_channels} channels, the options make {made}"
        yield what, "give one of Inputs for each channel, or ContextSlices for neighbouring slices"
    names = [known.name.lower() for known in inputs]
    channels = [image.channel_def.get(str(place), "?").lower() for place in range(image.num_channels)]
    if len(names) > 1 and channels != names:
        what = f"the channels are {', '.join(channels)}, Inputs are {', '.join(names)}"
        yield what, "name and order Inputs as the metadata's channel_def does"


def _input_contradictions(image: TensorFormat, known: InputSpec) -> Iterator[tuple[str, str]]:
    if image.modality.lower() not in NO_MODALITY and image.modality.upper() != known.modality:
        what = f"the network takes {image.modality}, the input {known.name} is {known.modality}"
        yield what, "correct the input's Modality, or the metadata"
    if image.format == "hounsfield" and known.quantity != "hounsfield_units":
        what = f"the network takes Hounsfield units, the input {known.name} {known.quantity}"
        yield what, "correct the input's Quantity"


def _range_after(steps: tuple[Step, ...]) -> tuple[float, float] | None:
    """Where clip and scale take all values; None if nothing limits them."""
    lower, upper = -np.inf, np.inf
    for step in steps:
        if isinstance(step, Clip):
            lower, upper = max(lower, step.lower), min(upper, step.upper)
        elif isinstance(step, Scale):
            lower, upper = ((limit - step.subtract) / step.divide for limit in (lower, upper))
    return (lower, upper) if np.isfinite([lower, upper]).all() else None
