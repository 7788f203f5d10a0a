import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipelines.errors import PipelineBroken
from pipelines.inventory import Inventory, inspect_folder
from tests.pipelines.family_cases import diffusion_entry
from tests.pipelines.test_families import vae_entry
from tests.pipelines.test_inputs_and_steps import two_inputs_entry
from tests.pipelines.test_manifest import CT_DENOISE
from tests.pipelines.tiny_models import (
    file_json,
    graph_model,
    manifest_json,
    mean_of_slices,
    slice_convolution,
    write_folder,
)


def inspected(folder: Path, model: bytes, **changes: Any) -> Inventory:
    (folder / "MODEL_CARD.md").write_text("# tiny")
    (folder / "evaluation.json").write_text("{}")
    changes = {"Evaluation": "evaluation.json", **changes}
    return inspect_folder(write_folder(folder, model, manifest_json(model, **changes)))


def test_a_sound_pipeline_is_described_and_has_no_findings(tmp_path: Path) -> None:
    model = mean_of_slices(3)
    inventory = inspected(tmp_path, model, Inputs=CT_DENOISE["Inputs"])
    assert inventory.findings == ()
    (described,) = inventory.models
    assert described.size_bytes == len(model)
    assert described.opset == 17
    assert described.parameters == 3
    assert described.operators == ("Conv",)
    assert described.inputs[0].shape == ("batch", 3, "rows", "columns")
    assert described.inputs[0].dtype == "float"
    assert inventory.documents == ("MODEL_CARD.md", "evaluation.json")
    assert inventory.self_test.execution_provider == "CPUExecutionProvider"
    assert inventory.self_test.repeatable
    assert not inventory.self_test.follows_seed
    assert inventory.self_test.seconds_per_slice > 0


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    inventory = inspect_folder(write_folder(tmp_path, mean_of_slices(3)))
    record = json.loads(json.dumps(inventory.record()))
    assert record["manifest"]["Name"] == "tiny"
    assert record["models"][0]["sha256"] == inventory.models[0].sha256
    assert record["self_test"]["verdict"]["level"] == inventory.self_test.verdict.level
    assert record["findings"] == list(inventory.findings)


def test_missing_documents_are_found(tmp_path: Path) -> None:
    inventory = inspect_folder(write_folder(tmp_path, mean_of_slices(3)))
    assert inventory.findings == ("the model card MODEL_CARD.md is missing", "there is no evaluation")


def test_every_family_can_be_inspected(tmp_path: Path) -> None:
    diffusion = inspect_folder(diffusion_entry(tmp_path / "d", {"Method": "ddpm"}).folder)
    assert diffusion.self_test.follows_seed
    assert diffusion.self_test.repeatable
    assert len(inspect_folder(vae_entry(tmp_path / "v").folder).models) == 2
    assert not inspect_folder(two_inputs_entry(tmp_path / "t", 1).folder).self_test.follows_seed


def test_a_model_that_draws_its_own_noise_is_found(tmp_path: Path) -> None:
    model = graph_model(
        [
            helper.make_node("RandomNormalLike", ["slices"], ["noise"]),
            helper.make_node("Add", ["slices", "noise"], ["denoised"]),
        ],
        inputs={"slices": ["batch", 1, "rows", "columns"]},
        outputs={"denoised": ["batch", 1, "rows", "columns"]},
    )
    inputs = [CT_DENOISE["Inputs"][0] | {"ContextSlices": 0}]
    findings = inspected(tmp_path, model, Inputs=inputs).findings
    assert "the same seed does not give the same result twice" in findings


def test_a_model_that_gives_no_numbers_is_found(tmp_path: Path) -> None:
    findings = inspected(tmp_path, slice_convolution(np.full((1, 3, 1, 1), np.nan, np.float32))).findings
    assert any("not numbers" in finding for finding in findings)


def test_a_model_of_one_size_is_found_unless_it_is_tiled(tmp_path: Path) -> None:
    model = graph_model(
        [helper.make_node("Identity", ["slices"], ["denoised"])],
        inputs={"slices": ["batch", 1, 96, 96]},
        outputs={"denoised": ["batch", 1, 96, 96]},
    )
    inputs = [CT_DENOISE["Inputs"][0] | {"ContextSlices": 0}]
    fixed = inspected(tmp_path, model, Inputs=inputs)
    assert any("one image size only" in finding for finding in fixed.findings)
    names = file_json("model.onnx", model, Input="slices", Output="denoised", SizeMultiple=96)
    assert inspected(tmp_path, model, Inputs=inputs, Model=names, Tiles={"Shape": [96, 96]}).findings == ()


def test_a_folder_that_cannot_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineBroken, match="cannot be read"):
        inspect_folder(tmp_path)
