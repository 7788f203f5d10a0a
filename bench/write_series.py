"""Cost of writing a 300-slice 512x512 series, against the floor of splicing finished headers and pixels.

    python -m bench.write_series [--slices N] [--repeats N]

The floor joins an already encoded header with the pixel bytes: nothing that writes instances can do
less. CPU seconds are compared, so that the ratio holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dicom_templates.series_plan import SeriesPlan, SliceHeader, check_slice, plan_series
from dicom_templates.source import SourceSlice, read_slice
from dicom_templates.to_series import SeriesWriter, template_for
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import IDENTITY

_Done = TypeVar("_Done")


@dataclass(frozen=True)
class Costs:
    """CPU milliseconds a slice."""

    floor: float
    read: float
    write: float


def measured(slices: int) -> Costs:
    """One run over the series; every slice is read, checked, turned into values and written."""
    files = _files(slices)
    sources, read = _timed(lambda: [read_slice(data) for data in files], slices)
    plan = _plan(sources)
    writer = SeriesWriter(
        template=template_for("denoise", "CT"),
        identity=IDENTITY,
        plan=plan,
        first=sources[0].header,
        context_slices=1,
    )
    values = sources[0].values()
    sample = writer.write(sources[0], 0, values).data
    head, pixels = sample[: -values.size * 2], memoryview(sample)[-values.size * 2 :]
    _, floor = _timed(lambda: [b"".join((head, pixels)) for _ in range(slices)][:0], slices)
    _, write = _timed(lambda: _write_all(writer, plan, sources, values), slices)
    return Costs(floor, read, write)


def _write_all(
    writer: SeriesWriter, plan: SeriesPlan, sources: list[SourceSlice], values: NDArray[np.float32]
) -> None:
    for index, source in enumerate(sources):
        check_slice(plan, index, source)
        writer.write(source, index, values)


def _files(slices: int) -> list[bytes]:
    return Phantom(
        slices=slices, rows=512, columns=512, spacing_mm=1.0, signed=True, padding_value=-2000, bits_stored=16
    ).instances()


def _plan(sources: list[SourceSlice]) -> SeriesPlan:
    headers = [(str(index), SliceHeader.of(source.header)) for index, source in enumerate(sources)]
    return plan_series(headers, sources[0].header)


def _timed(work: Callable[[], _Done], slices: int) -> tuple[_Done, float]:
    began = time.process_time()
    done = work()
    return done, (time.process_time() - began) * 1000 / slices


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--slices", type=int, default=300)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    runs = [measured(options.slices) for _ in range(options.repeats)]
    floor, read, write = (
        statistics.median(getattr(run, name) for run in runs) for name in ("floor", "read", "write")
    )
    print(
        f"{options.slices} slices of 512x512 int16 with padding, CPU ms a slice, median of {options.repeats}"
    )
    print(f"floor (byte splice)       {floor:6.3f}")
    print(f"read_slice                {read:6.3f}")
    print(f"check and write           {write:6.3f}")
    print(f"ratio to the floor {write / floor:.1f}, {write - floor:.3f} ms beyond it (goal: at most 2 ms)")


if __name__ == "__main__":
    main()
