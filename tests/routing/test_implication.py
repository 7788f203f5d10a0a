"""Whether one condition holds wherever another does."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.routing.implication import implies
from plugin.routing.parse_condition import parse_condition

CT = {"Modality": {"Equals": "CT"}}
MR = {"Modality": {"Equals": "MR"}}
THIN = {"SliceThickness": {"AtMost": 1}}


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        (CT, {}, True),
        ({}, CT, False),
        (CT, CT, True),
        (CT, MR, False),
        ({**CT, **THIN}, CT, True),
        (CT, {**CT, **THIN}, False),
        (CT, {"Modality": {"OneOf": ["CT", "MR"]}}, True),
        ({"Modality": {"OneOf": ["CT", "MR"]}}, CT, False),
        ({"Any": [CT, MR]}, {"Modality": {"OneOf": ["CT", "MR"]}}, True),
        (CT, {"Any": [MR, CT]}, True),
        (CT, {"Modality": {"Exists": True}}, True),
        (CT, {"Modality": {"Exists": False}}, False),
        ({"Modality": {"Exists": False}}, {"Modality": {"Exists": True}}, False),
        ({"SeriesDescription": {"Equals": "AX T1"}}, {"SeriesDescription": {"Contains": "T1"}}, True),
        ({"SeriesDescription": {"Equals": "AX T1"}}, {"SeriesDescription": {"Matches": "^ax"}}, False),
        ({"SeriesDescription": {"Equals": "AX T1"}}, {"SeriesDescription": {"Matches": "(?i)^ax"}}, True),
        ({"ImageType": {"Equals": "A\\B"}}, {"ImageType": {"Contains": "\\"}}, False),
        ({"ImageType": {"Equals": ["A", "B"]}}, {"ImageType": {"Contains": "A"}}, False),
        (THIN, {"SliceThickness": {"AtMost": 2}}, True),
        ({"SliceThickness": {"AtMost": 2}}, THIN, False),
        ({"SliceThickness": {"Between": [0.5, 1]}}, {"SliceThickness": {"AtLeast": 0.5}}, True),
        ({"SliceThickness": {"Between": [0.5, 1]}}, {"SliceThickness": {"Between": [0.6, 2]}}, False),
        ({"SliceThickness": {"Equals": 1}}, {"SliceThickness": {"Between": [0.5, 1]}}, True),
        ({"Not": {"SliceThickness": {"AtMost": 2}}}, {"Not": THIN}, True),
        ({"Not": THIN}, {"Not": {"SliceThickness": {"AtMost": 2}}}, False),
        ({"RemoteIp": {"Equals": "10.0.0.0/8"}}, {"RemoteIp": {"Equals": "10.1.0.0/16"}}, False),
        ({"ImageType": {"Contains": "A", "Instances": "any"}}, {"ImageType": {"Contains": "A"}}, False),
    ],
)
def test_what_is_said_to_follow_is_certain(
    narrow: dict[str, Any], wide: dict[str, Any], expected: bool
) -> None:
    assert implies(parse_condition(narrow), parse_condition(wide)) is expected
