from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.manifest import Manifest
from tests.pipelines.tiny_models import manifest_json

MODEL = b"any bytes"

CT_DENOISE: dict[str, Any] = {
    "Name": "ct-denoise",
    "Version": "0.1.0",
    "Task": "denoise",
    "Family": "regression",
    "Generative": False,
    "Publisher": "Orthogen",
    "Description": "Removes noise.",
    "Inputs": [
        {
            "Name": "slices",
            "Modality": "CT",
            "Quantity": "hounsfield_units",
            "MinimumSlices": 1,
            "RowsColumns": [64, 2048],
            "PixelSpacingMm": [0.3, 2.0],
            "SliceThicknessMm": [0.4, 10.0],
            "ContextSlices": 1,
        }
    ],
    "Model": {
        "File": "model.onnx",
        "Sha256": "0" * 64,
        "Input": "slices",
        "Output": "denoised",
        "SizeMultiple": 8,
    },
    "Preprocessing": [
        {"Step": "clip", "Lower": -1024, "Upper": 3071},
        {"Step": "scale", "Divide": 1000.0, "Subtract": 0.0},
    ],
    "Gate": {"MeanShiftWarnHu": 1.0, "MeanShiftHoldHu": 5.0},
    "Evaluation": "evaluation.json",
    "ModelCard": "MODEL_CARD.md",
}


def test_the_shape_the_first_pipeline_is_written_in_is_read() -> None:
    manifest = Manifest.model_validate(CT_DENOISE)
    assert manifest.input().context_slices == 1
    assert manifest.input("slices") is manifest.inputs[0]
    assert [step.step for step in manifest.preprocessing] == ["clip", "scale"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Colour": "red"}, "Extra inputs"),
        ({"Family": "oracle"}, "Family"),
        ({"Version": "one"}, "Version"),
        ({"Name": "../evil"}, "Name"),
        ({"Preprocessing": [{"Step": "sharpen"}]}, "sharpen"),
        ({"Preprocessing": [{"Step": "clip", "Lower": 5, "Upper": 5}]}, "must be below"),
        ({"Preprocessing": [{"Step": "scale", "Divide": 0}]}, "Divide"),
        ({"Model": CT_DENOISE["Model"] | {"File": "../../etc/passwd"}}, "pipeline's own folder"),
        ({"Model": CT_DENOISE["Model"] | {"Sha256": "beef"}}, "Sha256"),
        ({"Inputs": []}, "Inputs"),
        ({"Inputs": [CT_DENOISE["Inputs"][0] | {"RowsColumns": [9, 3]}]}, "above the upper bound"),
        ({"Gate": {"MeanShiftWarnHu": "NaN"}}, "MeanShiftWarnHu"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Manifest.model_validate(CT_DENOISE | changes)


def test_a_manifest_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Manifest.model_validate(CT_DENOISE), "name", "other")  # noqa: B010


def test_the_digest_follows_settings_and_not_words_or_spelt_out_defaults() -> None:
    digest = Manifest.model_validate(CT_DENOISE).config_sha256()
    same = CT_DENOISE | {
        "Description": "Other words.",
        "Publisher": "Someone",
        "Preprocessing": [
            {"Upper": 3071.0, "Step": "clip", "Lower": -1024.0},
            {"Step": "scale", "Divide": 1000},
        ],
    }
    assert Manifest.model_validate(same).config_sha256() == digest
    different: list[dict[str, Any]] = [
        {"Gate": {"MeanShiftWarnHu": 1.5}},
        {"Version": "0.1.1"},
        {"Preprocessing": []},
    ]
    for changes in different:
        assert Manifest.model_validate(CT_DENOISE | changes).config_sha256() != digest


def test_a_digest_stays_the_same_when_the_manifest_learns_new_settings() -> None:
    """Result UIDs are derived from it; new fields must come with defaults that change nothing."""
    assert Manifest.model_validate(CT_DENOISE).config_sha256() == CT_DENOISE_DIGEST


def test_the_tests_own_manifest_is_valid() -> None:
    assert Manifest.model_validate(manifest_json(MODEL)).model.file == "model.onnx"


DIFFUSION: dict[str, Any] = {
    "Family": "diffusion",
    "Generative": True,
    "Sampler": {"Method": "ddim", "Steps": 5, "NoisyInput": "noisy", "TimeInput": "time"},
}
ENCODER = {"File": "encoder.onnx", "Sha256": "1" * 64, "Input": "image", "Mean": "mean", "Downscale": 8}
DECODER = {"File": "decoder.onnx", "Sha256": "2" * 64, "Input": "latents", "Output": "image"}
OTHER_CONTEXT = CT_DENOISE["Inputs"][0] | {"Name": "t2", "ContextSlices": 0}
LIMIT = {"Step": "clip", "Lower": 0, "Upper": 1, "Outside": "limit"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Family": "diffusion", "Generative": True}, "Sampler belongs to the diffusion family"),
        ({**DIFFUSION, "Family": "GAN"}, "Sampler belongs to the diffusion family"),
        ({"Encoder": ENCODER}, "Encoder belongs to VAE"),
        ({**DIFFUSION, "Encoder": ENCODER}, "needs a Decoder"),
        ({**DIFFUSION, "Decoder": DECODER}, "together with Encoder"),
        ({"Temperature": 0.5}, "Temperature needs a VAE"),
        ({**DIFFUSION, "Repeats": {"Samples": 3, "Antithetic": True}}, "even number of Samples, not 3"),
        ({"Repeats": {"Mirrored": True}}, "Mirrored needs at least two Samples, not 1"),
        ({"Family": "GAN"}, "generative: say so"),
        ({"Tiles": {"Shape": [64, 64, 64]}}, "Tiles.Shape needs as many numbers"),
        ({"Tiles": {"Shape": [60, 64]}}, "multiples of Model.SizeMultiple"),
        ({"Dimensions": 3}, "ContextSlices belongs"),
        ({"Companions": ["uncertainty"]}, "uncertainty companion needs Repeats"),
        ({"Inputs": CT_DENOISE["Inputs"] * 2}, "the same Name"),
        (
            {"Inputs": [*CT_DENOISE["Inputs"], CT_DENOISE["Inputs"][0] | {"Name": "t2", "ContextSlices": 0}]},
            "ContextSlices",
        ),
        ({"Preprocessing": [{"Step": "crop", "Shape": [64, 64, 64]}]}, "as many axes"),
        ({"Preprocessing": [LIMIT, {"Step": "normalise"}]}, "must come first"),
        ({"Task": "translate"}, "must not keep source values"),
        ({"Task": "translate", "Preprocessing": [LIMIT, {"Step": "crop", "Shape": [64, 64]}]}, "crop"),
        (
            {
                "Model": CT_DENOISE["Model"] | {"SizeMultiple": 12},
                **DIFFUSION,
                "Encoder": ENCODER,
                "Decoder": DECODER,
            },
            "Encoder.Downscale",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Manifest.model_validate(CT_DENOISE | changes)


def test_a_latent_diffusion_pipeline_names_all_its_files() -> None:
    member = CT_DENOISE["Model"] | {"File": "other.onnx"}
    changes = {**DIFFUSION, "Encoder": ENCODER, "Decoder": DECODER, "Repeats": {"Members": [member]}}
    manifest = Manifest.model_validate(CT_DENOISE | changes)
    assert [file.file for file in manifest.files()] == [
        "model.onnx",
        "encoder.onnx",
        "decoder.onnx",
        "other.onnx",
    ]


CT_DENOISE_DIGEST = "ef1fc48bd909a5ea44f16c85379e204dc39d7b74e48d95225d21920d6c1102ee"
