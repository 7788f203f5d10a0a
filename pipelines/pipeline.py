"""A pipeline ready to run, whatever its family: slices in, slices out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from pipelines.catalog import CatalogEntry
from pipelines.execution import Execution
from pipelines.loading import Loader
from pipelines.slicewise import SlicewisePipeline
from pipelines.stream import NO_FURTHER, SliceStream
from pipelines.volume import SliceGrid, SliceValues
from pipelines.volumewise import VolumePipeline

__all__ = ["Execution", "Pipeline", "open_pipeline"]


class Pipeline(Protocol):
    """An open pipeline. May be used for one job after another; its sessions stay warm."""

    @property
    def entry(self) -> CatalogEntry: ...

    @property
    def execution_provider(self) -> str:
        """The provider that really runs it, as ONNX Runtime says."""

    @property
    def runtime(self) -> str:
        """For instance `onnxruntime 1.32.0`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should see, such as a fall-back from GPU to CPU."""

    @property
    def context_slices(self) -> int: ...

    def interrupt(self) -> None:
        """Let the stream under way raise `JobInterrupted` before its next inference; from any thread.

        A volume or a sampler stops between windows or steps. A new stream begins uninterrupted.
        """

    def stream(
        self,
        slices: Iterable[SliceValues],
        grid: SliceGrid,
        *,
        seed: int,
        further: Mapping[str, Iterable[SliceValues]] = NO_FURTHER,
    ) -> SliceStream:
        """One result for each slice, in slice order, pulling `slices` only as far as needed.

        `further` holds the slices of the manifest's further inputs by name, on the same grid. Results are
        `pipelines.repeats.UncertainResult` where the pipeline repeats itself. Order and values depend on the
        slices, the pipeline, the seed and the provider alone. Close the iterator to stop early: no inference
        outlives it. Raises `Refused` for slices that do not fit the grid, `PassingTrouble` when an inference
        fails.
        """
        ...


def open_pipeline(entry: CatalogEntry, execution: Execution) -> Pipeline:
    """Load the models of a verified folder; raises `PipelineBroken` or `ConfigurationError`."""
    loader = Loader(entry, execution)
    repeated = loader.repeated()
    kind = VolumePipeline if entry.manifest.dimensions == 3 else SlicewisePipeline
    return kind(entry, execution, repeated, loader.providers, loader.warnings, loader.interruption)
