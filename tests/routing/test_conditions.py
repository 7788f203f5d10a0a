"""Conditions on values: every operator, every kind of value, every instance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.conditions import condition_as_json
from plugin.routing.facts import SeriesFacts
from plugin.routing.judging import Question
from plugin.routing.parse_condition import ConditionError, parse_condition
from plugin.routing.reading import SeriesView
from tests.routing.routing_builders import AXIAL, CORONAL, SAGITTAL, a_series, a_stack


def holds(condition: dict[str, Any], facts: SeriesFacts) -> bool:
    return Question({"": parse_condition(condition)}).ask(SeriesView(facts)).holds


def only_trace(condition: dict[str, Any], facts: SeriesFacts) -> ConditionTrace:
    [trace] = Question({"": parse_condition(condition)}).ask(SeriesView(facts)).traces
    return trace


CT = a_series(
    Modality="CT ",
    SeriesDescription="Thorax AXIAL 1.0 B70f",
    ImageType=("ORIGINAL", "PRIMARY", "AXIAL"),
    SliceThickness="1.2000000476837",
    PixelSpacing="0.7\\0.8",
    SeriesNumber="3",
    StudyDate="20261122",
    SeriesTime="140500.25",
    AcquisitionDateTime="20261122140500+0100",
    PatientAge="018M",
    PatientName="Müller^Anna",
    ContrastBolusAgent="",
    SeriesInstanceUID="1.2.3.1",
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Modality": {"Equals": "CT"}}, True),
        ({"Modality": {"Equals": "ct"}}, False),
        ({"Modality": {"OneOf": ["MR", "CT"]}}, True),
        ({"Modality": {"OneOf": ["MR", "PT"]}}, False),
        ({"SeriesDescription": {"Matches": "(?i)axial"}}, True),
        ({"SeriesDescription": {"Matches": "axial"}}, False),
        ({"SeriesDescription": {"Matches": "^AXIAL"}}, False),
        ({"SeriesDescription": {"Contains": "B70"}}, True),
        ({"ImageType": {"Equals": "PRIMARY"}}, True),
        ({"ImageType": {"Equals": ["ORIGINAL", "PRIMARY", "AXIAL"]}}, True),
        ({"ImageType": {"Equals": ["ORIGINAL", "PRIMARY"]}}, False),
        ({"ImageType": {"Equals": "ORIGINAL\\PRIMARY\\AXIAL"}}, True),
        ({"ImageType": {"Contains": "DERIVED"}}, False),
        ({"SliceThickness": {"Equals": 1.2}}, True),
        ({"SliceThickness": {"AtMost": 1.2}}, True),
        ({"SliceThickness": {"AtMost": 1.1}}, False),
        ({"SliceThickness": {"AtLeast": "1.2"}}, True),
        ({"SliceThickness": {"Between": [1, 2]}}, True),
        ({"SliceThickness": {"Matches": "^1\\.2"}}, True),
        ({"SeriesNumber": {"Equals": "003"}}, True),
        ({"SeriesNumber": {"OneOf": [2, 3]}}, True),
        ({"PixelSpacing": {"AtMost": 0.8}}, True),
        ({"PixelSpacing": {"AtMost": 0.75}}, False),
        ({"StudyDate": {"Between": ["2026-11-01", "20261130"]}}, True),
        ({"StudyDate": {"AtLeast": "20261123"}}, False),
        ({"StudyDate": {"Equals": "2026-11-22"}}, True),
        ({"SeriesTime": {"Between": ["14:00", "15:00"]}}, True),
        ({"SeriesTime": {"Between": ["22:00", "06:00"]}}, False),
        ({"AcquisitionDateTime": {"Equals": "20261122130500"}}, True),
        ({"AcquisitionDateTime": {"AtMost": "202611221304"}}, False),
        ({"SeriesDescription": {"Contains": " AXIAL "}}, True),
        ({"SeriesDescription": {"Contains": " 0 "}}, False),
        ({"PatientAge": {"AtLeast": 1}}, True),
        ({"PatientAge": {"AtLeast": "018Y"}}, False),
        ({"PatientName": {"Matches": "^M\u00fcller"}}, True),
        ({"PatientName": {"Matches": "^Mu\u0308ller"}}, True),
        ({"PatientName": {"Equals": "Mu\u0308ller^Anna"}}, True),
        ({"ContrastBolusAgent": {"Exists": True}}, False),
        ({"ContrastBolusAgent": {"Absent": True}}, True),
        ({"Modality": {"Exists": True}}, True),
        ({"Modality": {"Exists": False}}, False),
        ({"SeriesInstanceUID": {"Equals": "1.2.3.1"}}, True),
        ({"CallingAeTitle": {"Equals": "SCANNER"}}, True),
        ({"CalledAeTitle": {"Equals": "SCANNER"}}, False),
        ({"RemoteIp": {"Equals": "10.1.0.0/16"}}, True),
        ({"RemoteIp": {"OneOf": ["10.2.0.0/16", "192.168.0.7"]}}, False),
        ({"NumberOfInstances": {"Equals": 1}}, True),
        ({"TimeOfDay": {"Between": ["13:00", "14:00"]}}, True),
        ({"TimeOfDay": {"Between": ["18:00", "06:00"]}}, False),
        ({"Modality": {"Equals": "CT"}, "SeriesNumber": {"Equals": 4}}, False),
        ({"Any": [{"Modality": {"Equals": "MR"}}, {"SeriesNumber": {"Equals": 3}}]}, True),
        ({"Not": {"Modality": {"Equals": "MR"}}}, True),
        ({"All": [{"Modality": {"Equals": "CT"}}, {"Not": {"SeriesNumber": {"Equals": 3}}}]}, False),
        ({}, True),
    ],
)
def test_a_condition_holds_as_a_person_reads_it(condition: dict[str, Any], expected: bool) -> None:
    assert holds(condition, CT) is expected


@pytest.mark.parametrize(
    "operator", ["Equals", "OneOf", "Matches", "Contains", "AtLeast", "AtMost", "Between"]
)
def test_a_missing_attribute_fails_every_comparison_and_says_so(operator: str) -> None:
    keyword = "SeriesDescription" if operator in ("Contains",) else "SliceThickness"
    operand: Any = {"OneOf": [1], "Between": [1, 2], "Matches": "1", "Contains": "1"}.get(operator, 1)
    trace = only_trace({keyword: {operator: operand}}, a_series())
    assert not trace.holds
    assert trace.seen is None
    assert trace.note == "the attribute is missing or empty"


def test_a_value_that_breaks_its_own_rules_is_seen_but_never_raises() -> None:
    trace = only_trace({"SliceThickness": {"AtMost": 2}}, a_series(SliceThickness="thin"))
    assert (trace.holds, trace.seen, trace.note) == (False, "thin", "not a number as DICOM writes it")


def test_a_text_that_differs_in_case_only_is_pointed_out() -> None:
    trace = only_trace({"SeriesDescription": {"Contains": "axial"}}, CT)
    assert trace.note == "differs in upper and lower case only"


@pytest.mark.parametrize("keyword", ["PatientName", "PatientID", "PatientBirthDate", "AccessionNumber"])
def test_values_that_point_at_a_person_are_matched_but_never_shown(keyword: str) -> None:
    facts = replace(a_series(), attributes={keyword: "19700101"})
    for operand in ("19700101", "19700102"):
        trace = only_trace({keyword: {"Equals": operand}}, facts)
        assert trace.holds is (operand == "19700101")
        assert "1970" not in repr(trace) + trace.because
        assert trace.seen == "(hidden)"


def test_an_attribute_that_differs_among_instances_must_hold_in_every_one() -> None:
    facts = a_series(instances=({"ImageType": "ORIGINAL\\PRIMARY"}, {"ImageType": "DERIVED\\SECONDARY"}))
    trace = only_trace({"ImageType": {"Contains": "DERIVED"}}, facts)
    assert (trace.holds, trace.seen, trace.note) == (False, "ORIGINAL\\PRIMARY", "not so in every instance")
    assert holds({"ImageType": {"Contains": "DERIVED", "Instances": "any"}}, facts)
    assert not holds({"ImageType": {"Contains": "DERIVED", "Instances": "all"}}, facts)


def test_conditions_that_differ_in_their_instances_only_are_told_apart() -> None:
    facts = a_series(instances=({"ImageType": "ORIGINAL"}, {"ImageType": "DERIVED"}))
    any_of_them = {"ImageType": {"Contains": "DERIVED", "Instances": "any"}}
    every_one = {"ImageType": {"Contains": "DERIVED"}}
    assert not holds({"All": [any_of_them, every_one]}, facts)
    assert not holds({"All": [every_one, any_of_them]}, facts)
    assert holds({"All": [any_of_them, {"Not": every_one}]}, facts)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1_0", "0x10", "1,5", "1e999"])
def test_what_is_no_decimal_string_is_no_number(value: str) -> None:
    trace = only_trace({"SliceThickness": {"AtLeast": -1000}}, a_series(SliceThickness=value))
    assert (trace.holds, trace.note) == (False, "not a number as DICOM writes it")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("20261122130500", True), ("20261122080500-0500", True), ("20261122140500+0100", True), ("2026", False)],
)
def test_a_date_with_a_time_is_compared_in_its_time_zone(value: str, expected: bool) -> None:
    assert (
        holds({"AcquisitionDateTime": {"Equals": "20261122130500"}}, a_series(AcquisitionDateTime=value))
        is expected
    )


def test_all_instances_is_not_claimed_while_some_are_unknown() -> None:
    facts = a_series(instances=({"ImageType": "DERIVED"},) * 3, count=40)
    trace = only_trace({"ImageType": {"Contains": "DERIVED", "Instances": "all"}}, facts)
    assert (trace.holds, trace.note) == (False, "only 3 of 40 instances are known")
    assert holds({"ImageType": {"Contains": "DERIVED"}}, facts)


def test_an_instance_that_lacks_the_attribute_counts() -> None:
    facts = a_series(instances=({"EchoTime": "90"}, {}))
    assert only_trace({"EchoTime": {"AtLeast": 80}}, facts).note == "some instances lack the attribute"
    assert holds({"EchoTime": {"AtLeast": 80, "Instances": "any"}}, facts)
    assert holds({"EchoTime": {"Absent": True, "Instances": "any"}}, facts)
    assert not holds({"EchoTime": {"Absent": True}}, facts)


@pytest.mark.parametrize(
    ("directions", "plane"),
    [
        (AXIAL, "axial"),
        (SAGITTAL, "sagittal"),
        (CORONAL, "coronal"),
        ("-1\\0\\0\\0\\-1\\0", "axial"),
        ("0.7071\\0.7071\\0\\-0.7071\\0.7071\\0", "axial"),
        ("1\\0\\0\\0\\0.94\\0.34", "axial"),
        ("1\\0\\0\\0\\0.7071\\0.7071", "oblique"),
    ],
)
def test_the_orientation_is_that_of_the_slice_normal(directions: str, plane: str) -> None:
    facts = a_series(instances=a_stack(3, orientation=directions))
    assert only_trace({"Orientation": {"Equals": "axial"}}, facts).seen == plane


def test_a_localizer_of_three_planes_is_mixed() -> None:
    instances = tuple(instance for plane in (AXIAL, SAGITTAL) for instance in a_stack(1, orientation=plane))
    assert holds({"Orientation": {"Equals": "mixed"}}, a_series(instances=instances))


def test_a_series_without_geometry_has_no_orientation_and_no_spacing() -> None:
    facts = a_series(Modality="SR")
    assert only_trace({"Orientation": {"Equals": "axial"}}, facts).seen is None
    assert only_trace({"SliceSpacingMm": {"AtMost": 5}}, facts).seen is None


def test_slices_that_are_not_parallel_have_no_spacing() -> None:
    instances = (*a_stack(2), {**a_stack(3)[2], "ImageOrientationPatient": "1\\0\\0\\0\\0.94\\0.34"})
    assert only_trace({"SliceSpacingMm": {"Equals": 1}}, a_series(instances=instances)).seen is None


def test_slice_spacing_is_measured_between_positions_and_not_taken_from_a_label() -> None:
    instances = a_stack(5, spacing_mm=2.5) + a_stack(5, spacing_mm=2.5)
    assert only_trace({"SliceSpacingMm": {"Equals": 2.5}}, a_series(instances=instances)).seen == "2.5"
    assert (
        only_trace({"SliceSpacingMm": {"Equals": 2.5}}, a_series(instances=instances, count=11)).seen is None
    )


def test_a_text_that_is_broken_in_its_character_set_never_raises() -> None:
    facts = a_series(SeriesDescription="axial \udcff")
    assert holds({"SeriesDescription": {"Matches": "axial"}}, facts)
    assert holds({"SeriesDescription": {"Contains": "axial"}}, facts)
    with pytest.raises(ConditionError):
        parse_condition({"SeriesDescription": {"Matches": "(\udcff"}})


def test_a_regular_expression_that_would_explode_elsewhere_takes_linear_time() -> None:
    facts = a_series(SeriesDescription="a" * 20_000 + "!")
    assert not holds({"SeriesDescription": {"Matches": "^(a+)+$"}}, facts)


@pytest.mark.parametrize(
    "source",
    [
        {"Modality": {"Equals": "CT"}},
        {"SliceThickness": {"AtLeast": 1, "AtMost": 2}, "Modality": {"OneOf": ["CT", "MR"]}},
        {"ImageType": {"Contains": "PRIMARY", "Instances": "all"}, "Not": {"Modality": {"Equals": "MR"}}},
        {
            "Any": [
                {"Modality": {"Equals": "CT"}},
                {"All": [{"Modality": {"Equals": "MR"}}, {"Not": {"StudyID": {"Equals": "7"}}}]},
            ]
        },
        {"All": [{"ImageType": {"Contains": "A"}}, {"ImageType": {"Contains": "B"}}]},
        {"All": [{"Any": [{"Modality": {"Equals": "CT"}}]}, {"Any": [{"Modality": {"Equals": "MR"}}]}]},
        {},
    ],
)
def test_a_condition_written_as_json_reads_back_equal(source: dict[str, Any]) -> None:
    condition = parse_condition(source)
    written = condition_as_json(condition)
    assert parse_condition(written) == condition
    assert condition_as_json(parse_condition(written)) == written


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        ({"Modalty": {"Equals": "CT"}}, "Modalty", "did you mean 'Modality'?"),
        ({"any": [{}]}, "any", "did you mean 'Any'?"),
        ({"Modality": "CT"}, "Modality", "an object with Equals"),
        ({"Modality": {}}, "Modality", "says nothing"),
        ({"Modality": {"equals": "CT"}}, "Modality.equals", "did you mean 'Equals'?"),
        ({"Modality": {"AtLeast": "CT"}}, "Modality.AtLeast", "does not suit Modality"),
        ({"SliceThickness": {"AtMost": "thin"}}, "SliceThickness.AtMost", "'thin' is not a number"),
        ({"SliceThickness": {"AtMost": True}}, "SliceThickness.AtMost", "True is not a number"),
        ({"SliceThickness": {"Between": [2, 1]}}, "SliceThickness.Between", "lowest value first"),
        ({"SliceThickness": {"Between": [1]}}, "SliceThickness.Between", "two values"),
        ({"StudyDate": {"AtLeast": "22.11.2026"}}, "StudyDate.AtLeast", "YYYYMMDD"),
        ({"SeriesDescription": {"Matches": "(a"}}, "SeriesDescription.Matches", "missing )"),
        ({"SeriesDescription": {"Matches": "(?=a)"}}, "SeriesDescription.Matches", "RE2"),
        ({"Modality": {"OneOf": "CT"}}, "Modality.OneOf", "is not a list"),
        ({"Modality": {"OneOf": []}}, "Modality.OneOf", "is not a list"),
        ({"Modality": {"Exists": "yes"}}, "Modality.Exists", "true or false"),
        ({"RemoteIp": {"Equals": "10.1.2"}}, "RemoteIp.Equals", "10.1.0.0/16"),
        ({"PixelData": {"Equals": "x"}}, "PixelData.Equals", "does not suit"),
        ({"Orientation": {"Equals": "axial", "Instances": "all"}}, "Orientation.Instances", "whole series"),
        ({"Modality": {"Equals": "CT", "Instances": "some"}}, "Modality.Instances", "any or all"),
        ({"Any": []}, "Any", "at least one condition"),
        ({"Any": [{}]}, "Any[0]", "empty condition"),
        ({"Not": {"Any": [{"Modalty": {"Equals": "CT"}}]}}, "Not.Any[0].Modalty", "Modality"),
        ([], "", "a condition is an object"),
    ],
)
def test_a_mistake_in_a_condition_is_named_with_its_key_and_its_remedy(
    source: Any, path: str, said: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(source)
    [problem] = caught.value.problems
    assert problem.path == path
    assert said in str(problem)


def test_a_condition_nested_without_end_is_refused() -> None:
    source: dict[str, Any] = {"Modality": {"Equals": "CT"}}
    for _ in range(500):
        source = {"Not": source}
    with pytest.raises(ConditionError, match="nest deeper"):
        parse_condition(source)
