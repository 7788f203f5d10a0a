"""MR: percent of a window, a translation's gain, and the intensity lookup as its baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.evaluation.document import Evaluation
from plugin.cli import main
from tests.evaluation.evaluated_series import noisy, write_mr_series
from tests.pipelines.tiny_models import (
    centre_slice,
    file_json,
    manifest_json,
    slice_convolution,
    write_folder,
)

MR = {"Name": "slices", "Modality": "MR", "Quantity": "mr_signal"}
Values = NDArray[np.float32]


def evaluate(folder: Path, model: bytes, tiers: str, *more: str, **changes: Any) -> Evaluation:
    write_folder(folder / "pipelines" / "tiny", model, manifest_json(model, Inputs=[MR], **changes))
    config = folder / "orthanc.json"
    config.write_text(json.dumps({"Orthogen": {"PipelineFolders": [str(folder / "pipelines")]}}))
    status = main(
        [
            *("evaluate", "--pipeline", "tiny", "--config", str(config), "--tiers", tiers),
            *("--input", str(folder / "input"), "--reference", str(folder / "reference")),
            *("--output", str(folder / "output"), *more),
        ]
    )
    assert status == 0
    return Evaluation.model_validate_json((folder / "output" / "evaluation.json").read_text())


def means(evaluation: Evaluation) -> dict[str, float]:
    return {figure.key: figure.mean for figure in evaluation.figures}


def test_denoised_mr_is_measured_in_percent_of_the_window(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference")
    write_mr_series(tmp_path / "input", role="input", change=noisy(60.0))
    smoothing = slice_convolution(np.full((1, 1, 3, 3), 1 / 9, np.float32))
    found = means(evaluate(tmp_path, smoothing, "1,2,3"))
    added = found["rmse % of window | input | foreground"]
    assert found["rmse % of window | result | foreground"] != added
    assert 2.0 < added < 20.0
    assert found["psnr dB | input | foreground | signal"] == pytest.approx(
        -20 * np.log10(added / 100), abs=0.5
    )
    assert any(
        key.startswith("lesion contrast kept | result | lesions of 6 mm, 10 % of window") for key in found
    )
    assert any(
        key.startswith("CHO d' (Gabor) | result | phantom, 3 mm 5.6 %, signal averages 50 %") for key in found
    )


def inverted(values: Values, _index: int) -> Values:
    """Another contrast of the same anatomy, as a curve of intensities would make it."""
    return np.where(values > 60, 1500 - values, values).clip(0).astype(np.float32)


def test_a_translation_is_compared_after_the_gain_that_signal_leaves_open(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference")
    write_mr_series(tmp_path / "input", role="input")
    evaluation = evaluate(tmp_path, centre_slice(1, factor=0.25), "1,2,3", Task="translate")
    found = means(evaluation)
    assert found["rmse % of window | result | foreground"] < 0.5
    assert found["psnr dB | intensity lookup | foreground | signal"] > 40
    assert not any("| input |" in key for key in found)
    assert not any("lesion" in key or "CHO" in key for key in found)


def test_a_lookup_answers_what_intensity_alone_can(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference", change=inverted)
    write_mr_series(tmp_path / "input", role="input")
    evaluation = evaluate(tmp_path, centre_slice(1), "1", Task="translate")
    found = means(evaluation)
    best, copied = (
        found[f"psnr dB | {image} | foreground | signal"] for image in ("intensity lookup", "result")
    )
    assert best > copied + 10
    assert [test.against for test in evaluation.tests] == ["intensity lookup"] * len(evaluation.tests)


def test_a_curve_learned_elsewhere_is_a_baseline_of_its_own(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference", change=inverted)
    write_mr_series(tmp_path / "input", role="input")
    falling = {"Name": "falling", "Inputs": [0.0, 0.05, 0.06, 1.5], "Outputs": [0.0, 0.05, 1.5, 0.2]}
    flat = {"Name": "flat", "Inputs": [0.0, 1.0], "Outputs": [1.0, 1.0]}
    (tmp_path / "curve.json").write_text(json.dumps({"Percentile": 99.5, "Curves": [falling, flat]}))
    evaluation = evaluate(
        tmp_path, centre_slice(1), "1", "--baseline-curve", str(tmp_path / "curve.json"), Task="translate"
    )
    found = means(evaluation)
    best, falls, level = (
        found[f"psnr dB | {image} | foreground | signal"]
        for image in ("intensity lookup", "learned curve, falling", "learned curve, flat")
    )
    assert best > falls > level
    baselines = ("intensity lookup", "learned curve, falling", "learned curve, flat")
    assert {test.against for test in evaluation.tests} == set(baselines)
    assert evaluation.settings.baselines == baselines
    assert evaluation.settings.baseline_noise == "none"


def test_a_pipeline_that_answers_twice_is_measured_on_its_uncertainty(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference")
    write_mr_series(tmp_path / "input", role="input")
    other = centre_slice(1, factor=1.2)
    (tmp_path / "pipelines" / "tiny").mkdir(parents=True)
    (tmp_path / "pipelines" / "tiny" / "other.onnx").write_bytes(other)
    members = [file_json("other.onnx", other, Input="slices", Output="denoised")]
    found = means(evaluate(tmp_path, centre_slice(1), "1", Repeats={"Members": members}))
    where = "result | foreground"
    # Answers of 1 and 1.2 times the truth: an error of 0.1, a spread of 0.2 over the root of 2.
    assert found[f"spread / error | {where}"] == pytest.approx(2**0.5, rel=0.02)
    assert found[f"errors within one spread % of pixels | {where}"] > 99
    assert found[f"correlation of spread and error | {where}"] > 0.99


def test_declared_padding_of_the_reference_is_measured_nowhere(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "reference", change=cut_out)
    for path in (tmp_path / "reference").iterdir():
        declare_padding(path)
    write_mr_series(tmp_path / "input", role="input")
    found = means(evaluate(tmp_path, centre_slice(1), "1"))
    assert found["rmse % of window | result | foreground"] == pytest.approx(0.0, abs=0.05)
    assert found["ssim | result | foreground | signal"] == pytest.approx(1.0, abs=1e-4)


def cut_out(values: Values, _index: int) -> Values:
    """Nothing but a disc in the middle."""
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    inside = np.hypot(y - values.shape[0] / 2, x - values.shape[1] / 2) < 60
    return np.where(inside, np.maximum(values, 1), 0).astype(np.float32)


def declare_padding(path: Path) -> None:
    from pydicom import dcmread

    dataset = dcmread(path)
    dataset.PixelPaddingValue = 0
    dataset.save_as(path)
