"""Training works from end to end: the reduced retraining of ct-denoise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch", reason="torch, of the extra `training`, is not installed")

from training.ct_denoise.reduced import retrain  # it needs torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct-denoise")
    retrain(ROOT / "demo" / "ct_lidc_0314", folder)
    return folder


def test_a_reduced_training_lowers_the_error_of_slices_under_fresh_noise(retrained: Path) -> None:
    log = json.loads((retrained / "log.json").read_text())
    errors = [entry["ErrorOverBound"] for entry in log]
    assert errors[-1] < 0.97 * errors[0]


def test_the_retrained_model_runs_as_the_engine_runs_it(retrained: Path) -> None:
    session = onnxruntime.InferenceSession(retrained / "model.onnx", providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(3).normal(0.04, 0.06, (2, 1, 64, 72)).astype(np.float32)
    (denoised,) = session.run(["denoised"], {"slices": noise})
    assert denoised.shape == noise.shape
    assert 0 < denoised.std() < noise.std()
