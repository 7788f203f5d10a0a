"""2D and 2.5D networks: a window of slices in, one slice out, as a stream with bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from pipelines.ahead import map_ahead
from pipelines.batch_memory import slices_at_once
from pipelines.consistency import consistent
from pipelines.loading import Loaded
from pipelines.placed import Placed
from pipelines.prepare import Preparation, Prepared
from pipelines.repeats import carried_back, slice_result
from pipelines.sampling.chance import Chance
from pipelines.stream import NO_FURTHER, SliceStream, Sources, side_by_side
from pipelines.volume import SliceGrid, SliceResult, SliceValues
from pipelines.windows import windows


@dataclass(frozen=True)
class PreparedSlice:
    """A source slice beside what the network sees of it."""

    source: SliceValues
    inputs: tuple[Prepared, ...]
    """One for each input of the pipeline."""


Window = tuple[PreparedSlice, ...]


class SlicewisePipeline(Loaded):
    """Implements `pipelines.pipeline.Pipeline` slice by slice."""

    def stream(
        self,
        slices: Iterable[SliceValues],
        grid: SliceGrid,
        *,
        seed: int,
        further: Mapping[str, Iterable[SliceValues]] = NO_FURTHER,
    ) -> SliceStream:
        """Holds at most context + (2 * workers + 1) * batch slices: one slow slice idles no worker."""
        self.interruption.clear()
        sources = side_by_side(self.entry.manifest, slices, further, grid)
        around = windows(self._prepared(sources, grid), self.context_slices)
        workers, most = self.execution.workers, slices_at_once(self.execution, self.execution_provider)
        with ThreadPoolExecutor(workers, thread_name_prefix="infer") as executor:
            batches = map_ahead(
                lambda batch: self._infer(batch, grid, seed),
                in_batches(around, most),
                executor=executor,
                ahead=2 * workers,
            )
            try:
                for results in batches:
                    yield from results
            finally:
                batches.close()

    def _prepared(self, sources: Iterable[Sources], grid: SliceGrid) -> Iterator[PreparedSlice]:
        preparations = [Preparation.of(self.entry.manifest) for _ in self.entry.manifest.inputs]
        if preparations[0].needs_series:
            sources = list(sources)
            stacks = zip(*sources, strict=True)
            preparations = [
                preparation.for_series((slice_.values, slice_.padding) for slice_ in stack)
                for preparation, stack in zip(preparations, stacks, strict=True)
            ]
        for alike in sources:
            inputs = tuple(
                preparation.prepare(Placed.slice(source.values, grid), source.padding)
                for preparation, source in zip(preparations, alike, strict=True)
            )
            yield PreparedSlice(alike[0], inputs)

    def _infer(self, batch: list[Window], grid: SliceGrid, seed: int) -> list[SliceResult]:
        centres = [window[self.context_slices] for window in batch]
        space = centres[0].inputs[0].network.shape
        origin = (0,) * len(space)
        chances = [Chance(seed, 0, centre.source.index, space, origin) for centre in centres]
        answer = self.repeated(np.stack([channels(window) for window in batch]), chances)
        results = (
            slice_result(centre.source, carried_back(answer, item, centre.inputs[0]))
            for item, centre in enumerate(centres)
        )
        declared = self.entry.manifest.consistency
        return [consistent(declared, result, grid) for result in results]


def channels(window: Window) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(inputs * window length, rows, columns): all slices of the first input, then of the next."""
    places = range(len(window[0].inputs))
    return np.stack([slice_.inputs[place].network for place in places for slice_ in window])


def in_batches(around: Iterable[Window], most: int) -> Iterator[list[Window]]:
    """Lists of `most` windows, the last perhaps shorter."""
    rest = iter(around)
    while batch := list(islice(rest, most)):
        yield batch
