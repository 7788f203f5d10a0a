from typing import Any

import pytest

from pipelines.envelope import accept
from pipelines.errors import Refused
from pipelines.manifest import Manifest
from tests.pipelines.test_manifest import CT_DENOISE
from tests.pipelines.tiny_models import axial_grid

CT = Manifest.model_validate(
    CT_DENOISE
    | {
        "Inputs": [
            CT_DENOISE["Inputs"][0] | {"MaximumSlices": 50, "MinimumSlices": 2, "SliceSpacingMm": [0.5, 5]}
        ]
    }
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modality": "MR"}, "modality_differs"),
        ({"quantity": "mr_signal"}, "quantity_differs"),
        ({"grid": axial_grid(1, 128, 128)}, "too_few_slices"),
        ({"grid": axial_grid(51, 128, 128)}, "too_many_slices"),
        ({"grid": axial_grid(5, 63, 128)}, "rows_out_of_range"),
        ({"grid": axial_grid(5, 128, 4096)}, "columns_out_of_range"),
        ({"grid": axial_grid(5, 128, 128, pixel_spacing_mm=(0.2, 0.7))}, "pixel_spacing_out_of_range"),
        ({"grid": axial_grid(5, 128, 128, pixel_spacing_mm=(0.7, 2.1))}, "pixel_spacing_out_of_range"),
        ({"grid": axial_grid(5, 128, 128, slice_thickness_mm=None)}, "slice_thickness_unknown"),
        ({"grid": axial_grid(5, 128, 128, slice_thickness_mm=12.0)}, "slice_thickness_out_of_range"),
        (
            {"grid": axial_grid(2, 128, 128, positions_lps_mm=((0, 0, 0), (0, 0, 9)))},
            "slice_spacing_out_of_range",
        ),
    ],
)
def test_a_series_outside_the_envelope_is_refused_for_the_right_reason(
    changes: dict[str, Any], reason: str
) -> None:
    fitting: dict[str, Any] = {
        "modality": "CT",
        "quantity": "hounsfield_units",
        "grid": axial_grid(5, 128, 128),
    }
    accept(CT, **fitting)
    with pytest.raises(Refused) as caught:
        accept(CT, **(fitting | changes))
    assert caught.value.reason == reason
    assert caught.value.remedy


def test_the_limits_themselves_are_inside() -> None:
    grid = axial_grid(2, 64, 2048, pixel_spacing_mm=(0.3, 2.0), slice_thickness_mm=10.0)
    accept(CT, modality="CT", quantity="hounsfield_units", grid=grid)


SCANNER = Manifest.model_validate(
    CT_DENOISE
    | {"Inputs": [CT_DENOISE["Inputs"][0] | {"BodyParts": ["CHEST"], "Attributes": {"KVP": [80, 140]}}]}
)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"BodyPartExamined": "HEAD", "KVP": 120.0}, "body_part_differs"),
        ({"BodyPartExamined": "CHEST"}, "attribute_unknown"),
        ({"KVP": "unknown"}, "attribute_unknown"),
        ({"KVP": 150.0}, "attribute_out_of_range"),
        ({"KVP": float("nan")}, "attribute_out_of_range"),
    ],
)
def test_scanner_and_body_part_are_held_against_the_manifest(attributes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        accept(
            SCANNER,
            modality="CT",
            quantity="hounsfield_units",
            grid=axial_grid(5, 128, 128),
            attributes=attributes,
        )
    assert caught.value.reason == reason


@pytest.mark.parametrize("body_part", [None, "", "chest", "CHEST"])
def test_a_body_part_that_fits_or_is_not_stated_is_accepted(body_part: str | None) -> None:
    grid = axial_grid(5, 128, 128)
    attributes = {"BodyPartExamined": body_part, "KVP": 120.0}
    accept(SCANNER, modality="CT", quantity="hounsfield_units", grid=grid, attributes=attributes)


T1_ONLY = Manifest.model_validate(
    CT_DENOISE
    | {"Inputs": [{"Name": "slices", "Modality": "MR", "Quantity": "mr_signal", "Contrasts": ["T1", "PD"]}]}
)


@pytest.mark.parametrize(("contrast", "reason"), [("T2", "contrast_differs"), (None, "contrast_unknown")])
def test_a_contrast_that_is_another_or_in_doubt_is_refused(contrast: Any, reason: str) -> None:
    fitting: dict[str, Any] = {"modality": "MR", "quantity": "mr_signal", "grid": axial_grid(2, 128, 128)}
    accept(T1_ONLY, **fitting, contrast="T1")
    with pytest.raises(Refused) as caught:
        accept(T1_ONLY, **fitting, contrast=contrast)
    assert caught.value.reason == reason
