"""A reduced training of the gate's VAE, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is an optional extra")


def test_the_loss_falls_and_the_exported_model_runs(tmp_path: Path) -> None:
    import onnxruntime

    from training.ood_vae.reduced import main

    assert main(tmp_path) == 0
    log = json.loads((tmp_path / "log.json").read_text())
    assert log[-1]["Training"] < log[0]["Training"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    latent, drawn = session.run(None, {"images": np.zeros((2, 2, 128, 128), np.float32)})
    assert latent.shape == (2, 48)
    assert drawn.shape == (2, 2, 128, 128)
