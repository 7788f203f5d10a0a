"""What `make models` runs: every reduced training from end to end, once, as a command of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime
import pytest

from pipelines.inventory import inspect_folder

pytest.importorskip("torch", reason="torch, of the extra `training`, is not installed")

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.parent.name for path in (ROOT / "training").glob("*/reduced.py"))
"""As the Makefile finds them."""
WATCHED: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "artefacts": ("Training", 1.0),
        "ct_denoise": ("ErrorOverBound", 0.97),
        "mr_denoise": ("watched", 0.95),
        "mr_t1_to_t2": ("watched", 0.95),
        "ood_vae": ("Training", 2 / 3),
    }
)
"""What of the log must fall, and below which part of where it began."""
MOST_PROCESSOR_S = 180.0


@dataclass(frozen=True)
class Retrained:
    """The results of all reduced trainings."""

    folder: Path
    processor_s: float

    def log(self, name: str) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = json.loads((self.folder / name / "log.json").read_text())
        return content

    def session(self, name: str) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(
            self.folder / name / "model.onnx", providers=["CPUExecutionProvider"]
        )


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """Each exits with an error unless its loss fell."""
    folder = tmp_path_factory.mktemp("models")
    began = processor_s_of_children()
    for name in NAMES:
        command = [sys.executable, "-m", f"training.{name}.reduced", str(folder / name)]
        # Threads that wait for each other spend processor time on a busy machine, and none of it on training.
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return Retrained(folder, processor_s_of_children() - began)


def processor_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_make_models_runs_every_reduced_training() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "for file in training/*/reduced.py; do" in makefile
    assert '-m "training.$$name.reduced"' in makefile
    assert set(NAMES) == set(WATCHED)


def test_all_of_them_take_less_than_three_minutes_of_a_processor(retrained: Retrained) -> None:
    assert 0 < retrained.processor_s < MOST_PROCESSOR_S


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls(retrained: Retrained, name: str) -> None:
    key, part = WATCHED[name]
    log = retrained.log(name)
    assert len(log) > 1
    assert log[-1][key] < part * log[0][key]


def test_the_translator_learns_against_its_discriminator(retrained: Retrained) -> None:
    assert retrained.log("mr_t1_to_t2")[-1]["discriminator"] > 0


@pytest.mark.parametrize("name", ["mr_denoise", "mr_t1_to_t2"])
def test_exported_folders_are_pipelines(retrained: Retrained, name: str) -> None:
    folder = retrained.folder / name
    (folder / "MODEL_CARD.md").write_text("A reduced retraining: of no use.\n")
    (folder / "evaluation.json").write_text("{}\n")
    assert inspect_folder(folder).findings == ()


def test_the_retrained_ct_denoiser_runs_as_the_engine_runs_it(retrained: Retrained) -> None:
    noise = np.random.default_rng(3).normal(0.04, 0.06, (2, 1, 64, 72)).astype(np.float32)
    (denoised,) = retrained.session("ct_denoise").run(["denoised"], {"slices": noise})
    assert denoised.shape == noise.shape
    assert 0 < denoised.std() < noise.std()


def test_the_retrained_vae_runs(retrained: Retrained) -> None:
    latent, drawn = retrained.session("ood_vae").run(None, {"images": np.zeros((2, 2, 128, 128), np.float32)})
    assert latent.shape == (2, 48)
    assert drawn.shape == (2, 2, 128, 128)


def test_the_retrained_artefact_network_runs(retrained: Retrained) -> None:
    (logits,) = retrained.session("artefacts").run(None, {"images": np.zeros((3, 2, 256, 256), np.float32)})
    assert logits.shape == (3, 2)
