"""What a manifest may say of MR contrasts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.manifest import Manifest
from plugin.identity import known_contrast
from tests.pipelines.test_manifest import CT_DENOISE

MR_INPUT = {"Name": "slices", "Modality": "MR", "Quantity": "mr_signal"}


def manifest(**changes: Any) -> Manifest:
    plain = {key: value for key, value in CT_DENOISE.items() if key not in ("Preprocessing", "Consistency")}
    return Manifest.model_validate({**plain, "Inputs": [MR_INPUT], **changes})


def test_a_translation_says_what_it_makes_of_what() -> None:
    made = manifest(Task="translate", Inputs=[{**MR_INPUT, "Contrasts": ["T1"]}], OutputContrast="T2")
    assert (known_contrast(made), made.output_contrast) == ("T1", "T2")


def test_of_several_contrasts_none_is_claimed() -> None:
    made = manifest(Task="translate", Inputs=[{**MR_INPUT, "Contrasts": ["T1", "PD"]}], OutputContrast="T2")
    assert known_contrast(made) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"OutputContrast": "T2"}, "OutputContrast belongs to a translation"),
        ({"Inputs": [{**MR_INPUT, "Contrasts": ["T1W"]}]}, "T1CE"),
        ({"Inputs": [{**MR_INPUT, "Contrasts": []}]}, "at least 1"),
    ],
)
def test_a_contrast_that_cannot_be_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        manifest(**changes)


def test_contrasts_that_are_left_out_do_not_change_the_digest_of_older_pipelines() -> None:
    assert "ontrast" not in manifest().model_dump_json(by_alias=True, exclude_defaults=True)
