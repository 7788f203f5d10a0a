"""What the evaluation of ct-denoise rests on: masks, series written for `orthogen evaluate`, their bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plugin.evaluate.stacks import pair, patient_digests, stacks_in
from training.ct_denoise.measures import body_mask, tissue_masks
from training.ct_denoise.projection import KERNELS
from training.ct_denoise.slices import Slice
from training.ct_denoise.validation_folders import Attainable, Stack, write_series


def a_slice_of_the_body_in_noisy_air() -> np.ndarray:
    """(256, 256) in HU: a disc of water, air whose noise the scanner cut off, padding in the corners."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:256, :256] - 127.5
    hu = np.where(np.hypot(x, y) < 60, 0.0, -1000.0) + rng.normal(0, 40, (256, 256))
    hu[np.hypot(x, y) > 140] = -1024.0
    return np.maximum(hu, -1024.0).astype(np.float32)


def test_air_keeps_the_pixels_whose_noise_was_cut_off_and_leaves_out_padding() -> None:
    hu = a_slice_of_the_body_in_noisy_air()
    air = tissue_masks(hu, body_mask(hu))["air"]
    y, x = np.mgrid[:256, :256] - 127.5
    measured = (np.hypot(x, y) > 72) & (np.hypot(x, y) < 130)
    cut_off = hu <= -1024.0
    assert air[measured & cut_off].mean() > 0.95
    assert air[measured & ~cut_off].mean() > 0.95
    assert not air[np.hypot(x, y) > 145].any()


def a_stack() -> Stack:
    hu = np.zeros((64, 64), np.int16)
    item = Slice(hu, "P1", 0.7, 5.0, "B30s", (0, 0), 10.0, KERNELS[1])
    return Stack("P1-7", (0, 1), item)


def test_series_written_for_evaluation_are_paired_under_the_digest_that_their_bounds_have(
    tmp_path: Path,
) -> None:
    stack, hu = a_stack(), np.arange(2 * 64 * 64).reshape(2, 64, 64) % 4000 - 1024
    write_series(hu.astype(np.float32), stack, "reference/P1-7", tmp_path / "reference" / "P1-7")
    write_series(hu.astype(np.float32), stack, "smooth-25/P1-7", tmp_path / "input" / "smooth-25" / "P1-7")
    attainable = Attainable()
    attainable.add(stack, {"smooth-25": [3.0, 5.0]})

    references, (source,) = (stacks_in(tmp_path / name, print) for name in ("reference", "input"))
    digests = patient_digests([pair(source, references)])

    assert attainable.by_digest() == {digests["P1"]: {"smooth-25": 4.0}}
    np.testing.assert_array_equal(source.slice(1).values(), hu[1])
