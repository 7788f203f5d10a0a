"""Slices on their way through a pipeline, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from types import MappingProxyType

from pipelines.errors import Refused
from pipelines.manifest import Manifest
from pipelines.volume import SliceGrid, SliceResult, SliceValues

SliceStream = Generator[SliceResult, None, None]
"""Results in slice order; close it to stop early."""

Sources = tuple[SliceValues, ...]
"""The same slice of every input, in the manifest's order."""

NO_FURTHER: Mapping[str, Iterable[SliceValues]] = MappingProxyType({})


def side_by_side(
    manifest: Manifest,
    slices: Iterable[SliceValues],
    further: Mapping[str, Iterable[SliceValues]],
    grid: SliceGrid,
) -> Iterator[Sources]:
    """The slices of the first input beside those of the further ones, all on `grid`.

    Raises `Refused` if an input is missing or unknown, or slices do not fit the grid.
    """
    wanted = [known.name for known in manifest.inputs[1:]]
    if set(wanted) != set(further):
        what = f"{manifest.name} needs further inputs {wanted}, was given {sorted(further)}"
        raise Refused("inputs_differ", what, remedy="let the rule select one series for each input")
    stacks = [slices, *(further[name] for name in wanted)]
    return zip(*(in_order(stack, grid) for stack in stacks), strict=True)


def in_order(slices: Iterable[SliceValues], grid: SliceGrid) -> Iterator[SliceValues]:
    """The slices as they come; `Refused` if one is out of turn or not the size the grid says."""
    expected = 0
    for slice_ in slices:
        if slice_.index != expected:
            raise Refused("slices_out_of_order", f"slice {slice_.index} came where {expected} was due")
        if slice_.values.shape != (grid.rows, grid.columns):
            what = f"slice {slice_.index} is {slice_.values.shape}, its grid {(grid.rows, grid.columns)}"
            raise Refused("slice_size_differs", what)
        expected += 1
        yield slice_
    if expected != grid.slices:
        raise Refused("slices_missing", f"{expected} slices came, the grid has {grid.slices}")
