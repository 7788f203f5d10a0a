"""Trying rules on values typed by hand, and knowing which values rules look at."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.errors import ConfigurationError
from plugin.routing.route import route
from plugin.routing.typed_values import facts_from_values
from plugin.routing.wanted import wanted_attributes
from tests.routing.routing_builders import RECEIVED, a_rule


def test_typed_values_are_routed_like_a_series() -> None:
    facts = facts_from_values(
        {
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "SliceThickness": 1.5,
            "NumberOfInstances": 40,
            "Orientation": "axial",
            "SliceSpacingMm": "0.7",
            "TimeOfDay": "23:15",
            "CalledAeTitle": "NIGHT",
            "RemoteIp": "10.1.2.3",
        },
        received=RECEIVED,
    )
    when: dict[str, Any] = {
        "ImageType": {"Equals": ["ORIGINAL", "PRIMARY"]},
        "SliceThickness": {"Equals": 1.5},
        "NumberOfInstances": {"Equals": 40},
        "Orientation": {"Equals": "axial"},
        "SliceSpacingMm": {"Equals": 0.7},
        "TimeOfDay": {"Between": ["22:00", "06:00"]},
        "CalledAeTitle": {"Equals": "NIGHT"},
        "RemoteIp": {"Equals": "10.0.0.0/8"},
    }
    assert route(facts, [a_rule(When=when)]).chosen
    assert (facts.number_of_instances, facts.called_ae_title) == (40, "NIGHT")
    assert facts.received == RECEIVED.replace(hour=23, minute=15)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"Modalty": "CT"}, "there is no attribute 'Modalty'; did you mean 'Modality'?"),
        ({"SliceThickness": "thin"}, "SliceThickness cannot be 'thin'; type a number"),
        ({"StudyDate": "22.11."}, "StudyDate cannot be '22.11.'"),
    ],
)
def test_a_value_no_series_can_have_is_told(values: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said.replace("?", r"\?")):
        facts_from_values(values, received=RECEIVED)


def test_the_attributes_that_rules_look_at_are_known_before_a_series_is_read() -> None:
    rules = [
        a_rule(
            "a",
            When={"Modality": {"Equals": "CT"}, "CallingAeTitle": {"Equals": "X"}},
            Series={"Not": {"ImageType": {"Contains": "LOCALIZER"}}, "Prefer": "thinnest"},
            WaitFor={"Series": {"T2": {"EchoTime": {"AtLeast": 80}}}, "AtMostSeconds": 1, "Then": "run"},
            Completeness={"ExpectedCount": "ImagesInAcquisition"},
        ),
        a_rule("b", Series={"Inputs": {"x": {"Orientation": {"Equals": "axial"}}}}),
    ]
    assert wanted_attributes(rules) == {
        "Modality",
        "ImageType",
        "EchoTime",
        "ImagesInAcquisition",
        "SeriesNumber",
        "SliceThickness",
        "ImageOrientationPatient",
        "ImagePositionPatient",
    }
