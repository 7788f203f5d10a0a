"""Evaluation volumes written as DICOM are taken like acquired series, with the contrast they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicom_templates.mr_contrast import contrast_of
from plugin.evaluate.stacks import stacks_in
from training.mr_dicom import STORED, EvaluationSeries, write


def series(contrast: str, name: str = "reference") -> EvaluationSeries:
    return EvaluationSeries("P1", "P1-study", name, contrast, (3.0, 0.9, 0.8))


@pytest.mark.parametrize("contrast", ["T1", "T2", "FLAIR", "PD"])
def test_a_written_series_reads_back_as_a_stack_of_its_contrast(tmp_path: Path, contrast: str) -> None:
    values = np.random.default_rng(0).random((4, 40, 48)).astype(np.float32)
    write(tmp_path, series(contrast), values)
    (stack,) = stacks_in(tmp_path, lambda _text: None)
    assert contrast_of(stack.planned.first) == contrast
    assert stack.plan.grid.pixel_spacing_mm == (0.9, 0.8)
    assert stack.plan.grid.slice_spacing_mm == pytest.approx(3.0)
    read = np.stack([stack.slice(index).values() for index in range(4)])
    np.testing.assert_allclose(read, values * STORED, atol=0.5)


def test_all_but_the_measured_part_is_padding(tmp_path: Path) -> None:
    measured = np.zeros((3, 40, 48), np.bool_)
    measured[:, 10:30, 10:30] = True
    write(tmp_path, series("T2"), np.zeros((3, 40, 48), np.float32), measured)
    (stack,) = stacks_in(tmp_path, lambda _text: None)
    padding = stack.slice(1).padding()
    assert padding is not None
    np.testing.assert_array_equal(padding, ~measured[1])


def test_the_same_series_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    values = np.full((2, 40, 48), 0.5, np.float32)
    for name in ("first", "second"):
        write(tmp_path / name, series("T1"), values)
    first, second = ((tmp_path / name / "001.dcm").read_bytes() for name in ("first", "second"))
    assert first == second
