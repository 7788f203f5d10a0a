"""A source series taken through the writer, as the tests need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_templates.identity import RunIdentity
from dicom_templates.series_plan import SeriesPlan, SliceHeader, check_slice, plan_series
from dicom_templates.source import SourceSlice, read_slice
from dicom_templates.to_series import SeriesWriter, WrittenInstance, template_for
from pipelines.volume import SliceGrid
from tests.dicom.phantom_series import Phantom

IDENTITY = RunIdentity(
    pipeline_name="ct-denoise",
    pipeline_version="1.2.0",
    task="denoise",
    publisher="Orthogen project",
    generative=False,
    model_sha256="9372c470eead" + "0" * 52,
    config_sha256="b2" * 32,
    seed=7,
    execution_provider="CPUExecutionProvider",
    runtime="onnxruntime 1.32.0",
    node_version="0.1.0",
    node_serial="node-1",
    rule="chest",
    job_id="job-1",
    created=datetime(2026, 11, 22, 15, 0, 1, 250_000, tzinfo=UTC),
)
TRANSLATION = replace(
    IDENTITY,
    pipeline_name="mr-t1-to-t2",
    task="translate",
    generative=True,
    contrast_from="T1w",
    contrast_to="T2w",
)
TASKS = {
    "denoise": "denoise",
    "translate": "translate",
    "mr2ct": "translate",
    "difference": "difference",
    "uncertainty": "uncertainty",
    "resample": "super-resolve",
}

Model = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Written:
    """Sources and results, slice for slice in order along the normal."""

    plan: SeriesPlan
    sources: list[SourceSlice]
    source_files: list[bytes]
    instances: list[WrittenInstance]

    def result(self, index: int) -> Dataset:
        return dcmread(BytesIO(self.instances[index].data))

    def source(self, index: int) -> Dataset:
        return dcmread(BytesIO(self.source_files[index]))


def unchanged(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values


def written(
    files: Sequence[bytes],
    kind: str = "denoise",
    model: Model = unchanged,
    identity: RunIdentity | None = None,
    context_slices: int = 1,
    **options: Any,
) -> Written:
    """Every slice of a series through `model` and the writer of `kind`."""
    sources = [read_slice(data) for data in files]
    modality = sources[0].header.Modality
    headers = [(str(index), SliceHeader.of(source.header)) for index, source in enumerate(sources)]
    plan = plan_series(headers, sources[0].header)
    order = [int(planned.key) for planned in plan.slices]
    writer = SeriesWriter(
        template=template_for(TASKS[kind], modality, "CT" if kind == "mr2ct" else None),
        identity=identity or (TRANSLATION if kind in ("translate", "mr2ct") else IDENTITY),
        plan=plan,
        first=sources[0].header,
        context_slices=context_slices,
        **options,
    )
    instances = []
    for index, place in enumerate(order):
        check_slice(plan, index, sources[place])
        instances.append(writer.write(sources[place], index, model(sources[place].values())))
    return Written(plan, [sources[place] for place in order], [files[place] for place in order], instances)


def resampled(phantom: Phantom) -> Written:
    """A series taken to twice its rows and columns, and half its slice distance."""
    sources = [read_slice(data) for data in phantom.instances()]
    headers = [(str(index), SliceHeader.of(source.header)) for index, source in enumerate(sources)]
    plan = plan_series(headers, sources[0].header)
    grid = finer(plan.grid)
    modality = sources[0].header.Modality
    writer = SeriesWriter(
        template=template_for("super-resolve", modality),
        identity=replace(IDENTITY, generative=True),
        plan=plan,
        first=sources[0].header,
        context_slices=1,
        output_grid=grid,
    )
    nearest = [sources[min(index // 2, len(sources) - 1)] for index in range(grid.slices)]
    instances = [
        writer.write(source, index, np.kron(source.values(), np.ones((2, 2), np.float32)))
        for index, source in enumerate(nearest)
    ]
    files = [phantom.instance(min(index // 2, len(sources) - 1)) for index in range(grid.slices)]
    return Written(plan, nearest, files, instances)


def finer(grid: SliceGrid) -> SliceGrid:
    positions = np.asarray(grid.positions_lps_mm)
    between = (positions[1:] + positions[:-1]) / 2
    merged = np.empty((len(positions) + len(between), 3))
    merged[::2], merged[1::2] = positions, between
    corner = -0.25 * (
        np.multiply(grid.row_direction_lps, grid.pixel_spacing_mm[1])
        + np.multiply(grid.column_direction_lps, grid.pixel_spacing_mm[0])
    )
    return replace(
        grid,
        rows=2 * grid.rows,
        columns=2 * grid.columns,
        pixel_spacing_mm=(grid.pixel_spacing_mm[0] / 2, grid.pixel_spacing_mm[1] / 2),
        positions_lps_mm=tuple((float(x), float(y), float(z)) for x, y, z in merged + corner),
        slice_thickness_mm=(grid.slice_thickness_mm or 0) / 2,
    )
