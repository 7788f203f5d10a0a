"""3D networks: the whole stack is collected, run in overlapping windows, and handed out slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pipelines.consistency import consistent
from pipelines.loading import Loaded
from pipelines.placed import Placed
from pipelines.prepare import Mask, Preparation, Prepared
from pipelines.repeats import carried_back, slice_result
from pipelines.sampling.chance import Chance
from pipelines.stream import NO_FURTHER, SliceStream, side_by_side
from pipelines.volume import SliceGrid, SliceValues


class VolumePipeline(Loaded):
    """Implements `pipelines.pipeline.Pipeline` for networks that need all slices at once."""

    def stream(
        self,
        slices: Iterable[SliceValues],
        grid: SliceGrid,
        *,
        seed: int,
        further: Mapping[str, Iterable[SliceValues]] = NO_FURTHER,
    ) -> SliceStream:
        """Holds the volume of every input and of the result."""
        self.interruption.clear()
        sources = list(side_by_side(self.entry.manifest, slices, further, grid))
        prepared = [self._prepare(list(stack), grid) for stack in zip(*sources, strict=True)]
        volume = np.stack([each.network for each in prepared])
        space = volume.shape[1:]
        answer = self.repeated(volume[np.newaxis], [Chance(seed, 0, 0, space, (0,) * len(space))])
        carried = carried_back(answer, 0, prepared[0])
        for place, alike in enumerate(sources):
            result = slice_result(alike[0], [values[place] for values in carried])
            yield consistent(self.entry.manifest.consistency, result, grid)

    def _prepare(self, stack: list[SliceValues], grid: SliceGrid) -> Prepared:
        values = np.stack([slice_.values for slice_ in stack])
        padding = _padding(stack, values.shape)
        preparation = Preparation.of(self.entry.manifest)
        if preparation.needs_series:
            preparation = preparation.for_series([(values, padding)])
        return preparation.prepare(Placed.volume(values, grid), padding)


def _padding(stack: list[SliceValues], shape: tuple[int, ...]) -> Mask | None:
    if all(slice_.padding is None for slice_ in stack):
        return None
    padding = np.zeros(shape, dtype=np.bool_)
    for place, slice_ in enumerate(stack):
        if slice_.padding is not None:
            padding[place] = slice_.padding
    return padding
