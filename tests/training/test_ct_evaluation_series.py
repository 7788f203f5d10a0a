"""Held-out slices written as DICOM are paired and read like acquired series."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plugin.evaluate.stacks import pair, stacks_in
from training.ct_denoise.projection import KERNELS
from training.ct_denoise.slices import Slice
from training.ct_denoise.validation_folders import Stack, write_series


def a_stack() -> Stack:
    item = Slice(np.zeros((64, 64), np.int16), "P1", 0.7, 5.0, "B30s", (0, 0), 10.0, KERNELS[1])
    return Stack("P1-7", (0, 1), item)


def test_series_written_for_evaluation_find_their_reference_and_keep_their_values(tmp_path: Path) -> None:
    stack, hu = a_stack(), np.arange(2 * 64 * 64).reshape(2, 64, 64) % 4000 - 1024
    write_series(hu.astype(np.float32), stack, "reference/P1-7", tmp_path / "reference" / "P1-7")
    write_series(hu.astype(np.float32), stack, "soft-25/P1-7", tmp_path / "input" / "soft-25" / "P1-7")

    references, (source,) = (stacks_in(tmp_path / name, print) for name in ("reference", "input"))
    found = pair(source, references)

    assert found.source.folder == "soft-25/P1-7"
    assert found.reference.folder == "P1-7"
    np.testing.assert_array_equal(source.slice(1).values(), hu[1])
