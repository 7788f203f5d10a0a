"""What is in a pipeline folder, and whether it works here: the check before a pipeline is registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx

from pipelines.catalog import CatalogEntry, load_entry
from pipelines.errors import PipelineBroken
from pipelines.execution import Execution
from pipelines.gate import Gate, Verdict
from pipelines.manifest import Manifest
from pipelines.onnx_check import check_model, inputs_of, nodes_of, opset
from pipelines.phantom import phantom_grid, phantom_slices
from pipelines.pipeline import Pipeline, open_pipeline
from pipelines.placed import Values

REPEATABLE = 1e-5
"""Largest change, relative to the largest value, that another batch size or thread count may make."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model; a name in the shape is a dynamic axis, None one without a name."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class ModelInventory:
    """One ONNX file."""

    file: str
    sha256: str
    size_bytes: int
    producer: str
    ir_version: int
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    operators: tuple[str, ...]


@dataclass(frozen=True)
class SelfTest:
    """How the pipeline did on a phantom, on this machine."""

    execution_provider: str
    runtime: str
    slices: int
    rows: int
    columns: int
    seconds_per_slice: float
    repeatable: bool
    """The same seed gave the same bytes twice."""
    largest_change: float
    """Between running slices alone and in parallel batches, relative to the largest value."""
    follows_seed: bool
    """Another seed gave another image."""
    verdict: Verdict


@dataclass(frozen=True)
class Inventory:
    """All a site should hold on record of a model it runs, and what is wrong with it, if anything is."""

    manifest: Manifest
    config_sha256: str
    models: tuple[ModelInventory, ...]
    documents: tuple[str, ...]
    """Of the model card and the evaluation, those that are there."""
    self_test: SelfTest
    findings: tuple[str, ...]
    """Empty if the pipeline may be registered."""

    def record(self) -> dict[str, Any]:
        """All of it as JSON values, for a file or a page."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["manifest"] = self.manifest.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        plain["models"] = [asdict(model) for model in self.models]
        plain["self_test"] = asdict(self.self_test)
        return plain


def inspect_folder(folder: Path, execution: Execution | None = None) -> Inventory:
    """Read, check and try a pipeline folder.

    Raises `PipelineBroken` (or `ConfigurationError`) where it cannot be opened or run at all; lesser faults
    are findings of the inventory.
    """
    chosen = execution or Execution()
    entry = load_entry(folder)
    models = tuple(_model_inventory(entry, place) for place in range(len(entry.manifest.files())))
    self_test = _self_test(entry, chosen)
    names = (entry.manifest.model_card, entry.manifest.evaluation)
    documents = tuple(name for name in names if name and (folder / name).is_file())
    findings = tuple(_findings(entry.manifest, models, documents, self_test))
    return Inventory(entry.manifest, entry.config_sha256, models, documents, self_test, findings)


def _model_inventory(entry: CatalogEntry, place: int) -> ModelInventory:
    file = entry.manifest.files()[place]
    content = entry.read_model(file)
    model = check_model(file.file, content)
    return ModelInventory(
        file=file.file,
        sha256=file.sha256,
        size_bytes=len(content),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        opset=opset(model),
        inputs=tuple(_tensor(value) for value in inputs_of(model.graph)),
        outputs=tuple(_tensor(value) for value in model.graph.output),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        operators=tuple(sorted({node.op_type for node in nodes_of(model.graph)})),
    )


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = (axis.dim_value or axis.dim_param or None for axis in kind.shape.dim)
    return Tensor(value.name, onnx.TensorProto.DataType.Name(kind.elem_type).lower(), tuple(shape))


def _self_test(entry: CatalogEntry, execution: Execution) -> SelfTest:
    alone = open_pipeline(entry, replace(execution, parallel_slices=1, batch_slices=1))
    wide = open_pipeline(entry, replace(execution, parallel_slices=2, batch_slices=2))
    grid, seed = phantom_grid(entry.manifest), entry.manifest.seed
    _run(alone, seed)
    began = perf_counter()
    first, verdict = _run(alone, seed)
    seconds = perf_counter() - began
    again, other = _run(alone, seed)[0], _run(alone, seed + 1)[0]
    change = np.abs(_run(wide, seed)[0] - first).max() / max(float(np.abs(first).max()), 1e-12)
    return SelfTest(
        execution_provider=alone.execution_provider,
        runtime=alone.runtime,
        slices=grid.slices,
        rows=grid.rows,
        columns=grid.columns,
        seconds_per_slice=seconds / grid.slices,
        repeatable=again.tobytes() == first.tobytes(),
        largest_change=float(change),
        follows_seed=other.tobytes() != first.tobytes(),
        verdict=verdict,
    )


def _run(pipeline: Pipeline, seed: int) -> tuple[Values, Verdict]:
    manifest = pipeline.entry.manifest
    grid, gate = phantom_grid(manifest), Gate(manifest)
    main, *others = manifest.inputs
    further = {known.name: phantom_slices(known, grid) for known in others}
    stream = pipeline.stream(phantom_slices(main, grid), grid, seed=seed, further=further)
    values = np.stack([result.values for result in gate.watch(stream)])
    if values.shape != (grid.slices, grid.rows, grid.columns):
        what = f"{manifest.name} gave a volume of shape {values.shape} for {grid.slices} slices"
        raise PipelineBroken(what, remedy="give one slice of the source's size for each slice")
    return values, gate.verdict()


def _findings(
    manifest: Manifest, models: tuple[ModelInventory, ...], documents: tuple[str, ...], test: SelfTest
) -> Iterator[str]:
    if manifest.model_card not in documents:
        yield f"the model card {manifest.model_card} is missing"
    if manifest.evaluation is None or manifest.evaluation not in documents:
        yield "there is no evaluation"
    if not test.repeatable:
        yield "the same seed does not give the same result twice"
    if not test.largest_change <= REPEATABLE:
        yield f"the result depends on batch size or threads (relative change {test.largest_change:.1e})"
    if test.follows_seed and not manifest.generative:
        yield "the result depends on the seed although the pipeline says it is not generative"
    if any("not numbers" in reason or "blank" in reason for reason in test.verdict.reasons):
        yield f"on the phantom: {' '.join(test.verdict.reasons)}"
    for model in models:
        sides = model.inputs[0].shape[2:]
        if manifest.tiles is None and any(isinstance(side, int) for side in sides):
            yield f"{model.file} takes one image size only; export dynamic axes, or give the manifest Tiles"
