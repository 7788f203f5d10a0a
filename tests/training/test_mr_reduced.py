"""Reduced retrainings of the MR pipelines, from the bundled series to a pipeline folder that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.inventory import inspect_folder
from tests.node.a_node import ROOT

torch = pytest.importorskip("torch", reason="torch is an optional extra")

SERIES = ROOT / "demo" / "mr_brain_pd"


def test_a_reduced_denoiser_learns_and_its_export_runs(tmp_path: Path) -> None:
    from training.mr_denoise.reduced import retrain

    log = retrain(SERIES, tmp_path)
    assert log[-1]["watched"] < 0.95 * log[0]["watched"]
    assert runs(tmp_path)


def test_a_reduced_translator_learns_against_its_discriminator_and_its_export_runs(tmp_path: Path) -> None:
    from training.mr_t1_to_t2.reduced import retrain

    log = retrain(SERIES, tmp_path)
    assert log[-1]["watched"] < 0.95 * log[0]["watched"]
    assert log[-1]["discriminator"] > 0
    assert runs(tmp_path)


def runs(folder: Path) -> bool:
    """Whether the engine takes the exported folder, with what a real pipeline has beside it."""
    (folder / "MODEL_CARD.md").write_text("A reduced retraining: of no use.\n")
    (folder / "evaluation.json").write_text("{}\n")
    inventory = inspect_folder(folder)
    return inventory.findings == ()
