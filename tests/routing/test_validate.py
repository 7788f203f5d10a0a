"""A configuration with mistakes: each is told once, with its key, what is wrong and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.errors import ConfigurationError
from plugin.routing.problems import Problem
from plugin.routing.rule import Rule
from plugin.routing.validate import check_rules, rules_from_json

MANIFESTS: dict[str, object] = {
    "ct-denoise": {"Name": "ct-denoise", "Inputs": [{"Name": "slices", "Modality": "CT"}]},
    "mr-denoise": {"Name": "mr-denoise", "Inputs": [{"Name": "slices", "Modality": "MR"}]},
    "mr-fuse": {"Inputs": [{"Name": "t1", "Modality": "MR"}, {"Name": "t2", "Modality": "MR"}]},
}
IS_CT = {"Modality": {"Equals": "CT"}}
IS_MR = {"Modality": {"Equals": "MR"}}


def check(*rules: Any) -> list[Problem]:
    return check_rules(list(rules), pipelines=MANIFESTS, destinations=("PACS", "RESEARCH"))


def rule(name: str = "ct", **keys: Any) -> dict[str, Any]:
    return {"Name": name, "When": IS_CT, "Pipeline": "ct-denoise", **keys}


def test_a_good_configuration_has_no_problems() -> None:
    assert check(rule(SendTo=["PACS"]), rule("mr", When=IS_MR, Pipeline="mr-denoise")) == []
    assert check_rules([rule()], pipelines=("ct-denoise",), destinations=()) == []


def test_ten_planted_mistakes_give_ten_messages_with_key_mistake_and_remedy() -> None:
    planted = [
        rule("a", When={"Modalty": {"Equals": "CT"}}),
        rule("b", When={**IS_CT, "SeriesDescription": {"Matches": "(?i)axial("}}),
        rule("c", When={**IS_CT, "SliceThickness": {"AtLest": 1}}),
        rule("d", When={**IS_CT, "SliceThickness": {"Between": [5, 1]}}),
        rule("e", Pipeline="ct-denoiser"),
        rule("f", SendTo=["PASC"]),
        rule("g", Prioritty="stat"),
        rule("h", OnHold="discard"),
        rule("i", When=IS_MR),
        rule("a2", Schedule={"From": "7pm", "To": "06:00"}),
    ]
    expected = [
        ("Rules[0].When.Modalty", "no attribute 'Modalty'", "did you mean 'Modality'?"),
        ("Rules[1].When.SeriesDescription.Matches", "'(?i)axial('", "RE2"),
        ("Rules[2].When.SliceThickness.AtLest", "'AtLest' is no operator", "did you mean 'AtLeast'?"),
        ("Rules[3].When.SliceThickness.Between", "5 is more than 1", "the lowest value first"),
        ("Rules[4].Pipeline", "no pipeline 'ct-denoiser'", "did you mean 'ct-denoise'?"),
        ("Rules[5].SendTo[0]", "no destination 'PASC'", "did you mean 'PACS'?"),
        ("Rules[6].Prioritty", "no key 'Prioritty'", "did you mean 'Priority'?"),
        ("Rules[7].OnHold", "'discard' is not known", "'keep', 'release' or 'drop'"),
        ("Rules[8].Pipeline", "'ct-denoise' takes CT, the rule selects MR", "choose another pipeline"),
        ("Rules[9].Schedule.From", "'7pm' is no time of day", '"HH:MM"'),
    ]
    problems = check(*planted)
    assert len(problems) == 10
    for problem, (path, what, allowed) in zip(problems, expected, strict=True):
        assert problem.severity == "error"
        assert problem.path == path
        assert what in problem.what
        assert allowed in problem.allowed
        assert str(problem) == f"{path}: {problem.what}; {problem.allowed}"


@pytest.mark.parametrize(
    ("keys", "path", "said"),
    [
        ({"Name": "", "Pipeline": "ct-denoise"}, "Name", "at least 1 character"),
        ({"Name": " \t"}, "Name", "at least 1 character"),
        ({"Name": "a\\b"}, "Name", "pattern"),
        ({"Name": "a\nb"}, "Name", "pattern"),
        ({"When": [IS_CT]}, "When", "an object"),
        ({"SendTo": "PACS"}, "SendTo", "is no list"),
        ({"Stop": "perhaps"}, "Stop", "true or false"),
        ({"stop": True}, "stop", "did you mean 'Stop'?"),
        ({"Series": {"Prefers": "thinnest"}}, "Series.Prefers", "did you mean 'Prefer'?"),
        ({"Series": {"Prefer": "thinnst"}}, "Series.Prefer[0]", "'thinnest'"),
        ({"Series": {"condition": {}}}, "Series.condition", "no attribute"),
        ({"Schedule": {"From": "19:00"}}, "Schedule.To", "is missing"),
        ({"Schedule": {"From": "19:00", "To": "06:00", "Day": ["Mon"]}}, "Schedule.Day", "'Days'"),
        ({"Schedule": {"From": "19:00", "To": "06:00", "Days": ["Monday"]}}, "Schedule.Days[0]", "'Mon'"),
        ({"WaitFor": {"AtMostSeconds": 60, "Then": "skip"}}, "WaitFor.Series", "names no series"),
        (
            {"WaitFor": {"Series": {"T2": IS_MR}, "AtMostSeconds": 0, "Then": "run"}},
            "WaitFor.AtMostSeconds",
            "0",
        ),
        (
            {"WaitFor": {"Series": {"T2": {"Modalty": {"Equals": "MR"}}}, "AtMostSeconds": 1, "Then": "run"}},
            "WaitFor.Series.T2.Modalty",
            "Modality",
        ),
        (
            {"Completeness": {"ExpectedCount": "ImagesInAquisition"}},
            "Completeness.ExpectedCount",
            "Acquisition",
        ),
        ({"Completeness": {"ExpectedCount": "Modality"}}, "Completeness.ExpectedCount", "counts"),
        ({"When": {**IS_CT, "Orientation": {"Equals": "axiel"}}}, "When.Orientation.Equals", "'axial'"),
        ({"Series": {"Inputs": {"a": IS_CT}, "Prefer": "first"}}, "Series", "into each input"),
    ],
)
def test_a_mistake_is_an_error_with_its_key(keys: dict[str, Any], path: str, said: str) -> None:
    [problem] = [found for found in check(rule(**keys)) if found.severity == "error"]
    assert problem.path == f"Rules[0].{path}"
    assert said in str(problem)


@pytest.mark.parametrize("source", [{"Name": "ct"}, "ct", None, 7])
def test_rules_that_are_no_list_are_one_problem(source: Any) -> None:
    [problem] = check_rules(source, pipelines=(), destinations=())
    assert (problem.path, problem.allowed) == ("Rules", "a list of rules")


@pytest.mark.parametrize("source", ["ct", None, 7, []])
def test_a_rule_that_is_no_object_is_one_problem(source: Any) -> None:
    [problem] = check(source)
    assert problem.path == "Rules[0]"


def test_two_rules_of_one_name_are_refused() -> None:
    [problem] = check(rule("ct"), rule("ct"))
    assert (problem.path, problem.what) == ("Rules[1].Name", "'ct' is also the name of Rules[0]")


def warnings(*rules: Any) -> list[tuple[str, str]]:
    problems = check(*rules)
    assert all(problem.severity == "warning" for problem in problems)
    return [(problem.path, problem.what) for problem in problems]


def test_a_rule_behind_a_stop_that_takes_all_its_series_is_pointed_out() -> None:
    narrow = {"Modality": {"Equals": "CT"}, "SliceThickness": {"AtMost": 1}}
    wide = {"Modality": {"OneOf": ["CT", "PT"]}, "SliceThickness": {"AtMost": 3}}
    [(path, what)] = [
        found
        for found in warnings(rule("wide", When=wide, Stop=True), rule("narrow", When=narrow))
        if "never" in found[1]
    ]
    assert path == "Rules[1]"
    assert what == "'narrow' can never run: rule 'wide' takes all its series and says Stop"


@pytest.mark.parametrize(
    "first",
    [
        rule("wide"),
        rule("wide", Stop=True, Enabled=False),
        rule("wide", Stop=True, Series={"Prefer": "thinnest"}),
        rule("wide", Stop=True, Series={"SliceThickness": {"AtMost": 0.5}}),
        rule("wide", Stop=True, WaitFor={"Series": {"T2": IS_MR}, "AtMostSeconds": 9, "Then": "skip"}),
    ],
)
def test_a_rule_that_can_still_run_is_not_called_unreachable(first: dict[str, Any]) -> None:
    assert warnings(first, rule("narrow", Series={"SliceThickness": {"AtMost": 1}})) == []


def test_a_rule_that_lets_every_modality_through_is_warned_of() -> None:
    found = warnings({"Name": "all", "Pipeline": "ct-denoise"})
    assert [path for path, _ in found] == ["Rules[0].Pipeline", "Rules[0].When"]


@pytest.mark.parametrize(
    "when",
    [
        {"Modality": {"OneOf": ["CT", "MR"]}},
        {"Any": [IS_CT, IS_MR]},
        {"Any": [IS_CT, {"SliceThickness": {"AtMost": 1}}]},
        {"Modality": {"Equals": "CT", "Instances": "any"}},
        {"Not": IS_MR},
    ],
)
def test_a_rule_that_lets_other_modalities_through_too_is_warned_of(when: dict[str, Any]) -> None:
    assert [path for path, _ in warnings(rule(When=when))] == ["Rules[0].Pipeline"]


def test_a_rule_whose_choice_narrows_the_modality_is_not_warned_of() -> None:
    assert check(rule(When={"Any": [IS_CT, IS_MR]}, Series=IS_CT)) == []
    assert check(rule(When={"Any": [{**IS_CT, "SliceThickness": {"AtMost": 1}}, IS_CT]})) == []


def test_a_pipeline_that_names_no_modality_takes_every_one() -> None:
    assert (
        check_rules([rule()], pipelines={"ct-denoise": {"Inputs": [{"Name": "any"}]}}, destinations=()) == []
    )
    assert check_rules([rule()], pipelines={"ct-denoise": {}}, destinations=()) == []
    assert check_rules([rule(Pipeline="unheard-of")], pipelines=None, destinations=()) == []


def test_values_no_conformant_sender_writes_are_warned_of() -> None:
    part = {**IS_CT, "BodyPartExamined": {"Equals": "Chest"}}
    assert warnings(rule(When=part)) == [
        (
            "Rules[0].When.BodyPartExamined.Equals",
            "'Chest' never matches: DICOM writes BodyPartExamined in upper case",
        )
    ]
    [problem] = check_rules(
        [rule(When={"Modality": {"Equals": "MRI"}})], pipelines=("ct-denoise",), destinations=()
    )
    assert (problem.what, problem.allowed) == ("'MRI' is no modality DICOM defines", "did you mean 'MR'?")


def test_what_a_shadow_rule_cannot_do_is_warned_of() -> None:
    found = warnings(rule(Mode="shadow", SendTo=["PACS"], Stop=True))
    assert [path for path, _ in found] == ["Rules[0].SendTo", "Rules[0].Stop"]


def test_the_inputs_of_a_rule_are_those_of_its_pipeline() -> None:
    inputs = {
        "t1": {"SeriesDescription": {"Contains": "T1"}},
        "t2": {"SeriesDescription": {"Contains": "T2"}},
    }
    fuse = rule(When=IS_MR, Pipeline="mr-fuse", Series={"Inputs": inputs})
    assert check(fuse) == []
    [problem] = check(rule(When=IS_MR, Pipeline="mr-fuse"))
    assert (problem.path, problem.what) == (
        "Rules[0].Series.Inputs",
        "the rule fills nothing, the pipeline has t1 or t2",
    )
    limited = fuse | {"WaitFor": {"AtMostSeconds": 60, "Then": "run"}}
    [problem] = check(limited)
    assert problem.path == "Rules[0].WaitFor.Then"
    assert check(fuse | {"WaitFor": {"AtMostSeconds": 60, "Then": "skip"}}) == []


def test_rules_with_mistakes_are_never_loaded() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'Modality'"):
        rules_from_json([rule(), rule("b", When={"Modalty": {"Equals": "CT"}})])
    assert [loaded.name for loaded in rules_from_json([rule("b"), rule("a")])] == ["b", "a"]


def test_a_rule_is_readable_as_the_json_it_came_from() -> None:
    source = rule(
        Series={"Orientation": {"Equals": "axial"}, "Prefer": "thinnest", "SettleSeconds": 30.0},
        SendTo=["PACS"],
        Priority="stat",
        Schedule={"From": "19:00:00", "To": "06:00:00", "Days": ["Mon", "Tue"]},
        WaitFor={"Series": {"T2": IS_MR}, "AtMostSeconds": 60.0, "Then": "skip"},
    )
    assert [loaded.as_json() for loaded in rules_from_json([source])] == [source]


def test_the_schema_of_a_rule_describes_what_is_written() -> None:
    schema = Rule.model_json_schema(by_alias=True)
    assert set(schema["required"]) == {"Name", "Pipeline"}
    choice = schema["$defs"]["SeriesChoice"]
    assert set(choice["properties"]) == {"Prefer", "SettleSeconds", "Inputs"}
    assert choice["additionalProperties"]
