"""The engine against its floor, nothing but `session.run`: wall and CPU ratios, and peak memory.

Every floor runs in as many threads as the engine uses. Accept a wall ratio only on a quiet machine; CPU
ratios always hold. Memory is the peak of a fresh process (VmHWM) for a short and a long series.

    python -m bench.inference [slices]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from subprocess import run as run_process

import numpy as np
from numpy.typing import NDArray

from bench.inference_models import diffusion_entry, slice_entry, volume_entry
from pipelines.catalog import CatalogEntry
from pipelines.execution import Execution
from pipelines.pipeline import Pipeline, open_pipeline
from pipelines.session import OpenModel, open_model
from pipelines.tiles import tile_origins
from pipelines.volume import SliceGrid, SliceValues

EXECUTION = Execution()
Inputs = dict[str, NDArray[np.float32]]


def main(slices: int) -> None:
    print(f"{EXECUTION.workers} threads; ratios of the engine to nothing but session.run")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for channels in (0, 16, 24):
            compare_slices(slice_entry(folder / f"slices{channels}", channels), slices)
        compare_volume(volume_entry(folder / "volume"))
        compare_diffusion(diffusion_entry(folder / "diffusion"))
    compare_memory()


def compare_slices(entry: CatalogEntry, slices: int) -> None:
    grid = grid_of(slices, 512)
    model, pipeline = model_of(entry), open_pipeline(entry, EXECUTION)
    window: Inputs = {"slices": noise((1, 3, 512, 512))}
    report(
        f"2.5D, {slices} slices of 512x512",
        floor=lambda: in_threads([lambda: model.run("denoised", window)] * slices),
        engine=lambda: consume(pipeline, grid),
    )


def compare_volume(entry: CatalogEntry) -> None:
    grid = grid_of(96, 160)
    tiles = entry.manifest.tiles
    assert tiles is not None
    model, pipeline = model_of(entry), open_pipeline(entry, EXECUTION)
    window: Inputs = {"slices": noise((1, 1, *tiles.shape))}
    count = len(tile_origins((96, 160, 160), tiles.shape, tiles.overlap))
    report(
        f"3D, {count} windows of {tiles.shape[0]}^3",
        floor=lambda: in_threads([lambda: model.run("denoised", window)] * count),
        engine=lambda: consume(pipeline, grid),
    )


def compare_diffusion(entry: CatalogEntry) -> None:
    slices, side, sampler = 4, 256, entry.manifest.sampler
    assert sampler is not None
    model, pipeline = model_of(entry), open_pipeline(entry, EXECUTION)
    image = noise((1, 1, side, side))
    inputs: Inputs = {"slices": image, "noisy": image, "time": np.ones(1, np.float32)}
    report(
        f"diffusion, {slices} slices, {sampler.steps} steps",
        floor=lambda: in_threads([lambda: model.run("predicted", inputs)] * (slices * sampler.steps)),
        engine=lambda: consume(pipeline, grid_of(slices, side)),
    )


def compare_memory() -> None:
    peaks = {}
    for slices in (200, 2000):
        command = [sys.executable, "-m", "bench.inference", "--peak-memory", str(slices)]
        peaks[slices] = int(run_process(command, check=True, capture_output=True, text=True).stdout)
    ratio = peaks[2000] / peaks[200]
    print(
        f"peak memory: 200 slices {peaks[200]:.0f} MB, 2,000 slices {peaks[2000]:.0f} MB, ratio {ratio:.3f}"
    )


def print_peak_memory(slices: int) -> None:
    """Slices are made as they are asked for, as they come from a PACS."""
    with tempfile.TemporaryDirectory() as scratch:
        entry = slice_entry(Path(scratch) / "slices", 0)
        consume(open_pipeline(entry, EXECUTION), grid_of(slices, 512))
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) // 1024)


def consume(pipeline: Pipeline, grid: SliceGrid) -> None:
    for result in pipeline.stream(made_slices(grid), grid, seed=0):
        assert result.values.shape == (grid.rows, grid.columns)


def made_slices(grid: SliceGrid) -> Iterator[SliceValues]:
    few = noise((8, grid.rows, grid.columns))
    for index in range(grid.slices):
        yield SliceValues(index, few[index % len(few)].copy())


def report(title: str, *, floor: Callable[[], None], engine: Callable[[], None]) -> None:
    """The better of two runs of each, in turn."""
    floors, engines = zip(*[(timed(floor), timed(engine)) for _ in range(2)], strict=True)
    (floor_wall, floor_cpu), (wall, cpu) = min(floors), min(engines)
    print(
        f"{title}: floor {floor_wall:.2f} s, engine {wall:.2f} s, "
        f"wall ratio {wall / floor_wall:.3f}, CPU ratio {cpu / floor_cpu:.3f}"
    )


def timed(work: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def in_threads(calls: list[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(EXECUTION.workers) as executor:
        for _ in executor.map(lambda call: call(), calls):
            pass


def model_of(entry: CatalogEntry) -> OpenModel:
    return open_model(entry.manifest.name, entry.read_model(), EXECUTION)


@cache
def noise(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 100, shape).astype(np.float32)


def grid_of(slices: int, side: int) -> SliceGrid:
    return SliceGrid(
        rows=side,
        columns=side,
        pixel_spacing_mm=(0.7, 0.7),
        row_direction_lps=(1.0, 0.0, 0.0),
        column_direction_lps=(0.0, 1.0, 0.0),
        positions_lps_mm=tuple((0.0, 0.0, float(index)) for index in range(slices)),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak-memory"]:
        print_peak_memory(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
