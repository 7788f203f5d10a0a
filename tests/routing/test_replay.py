"""A changed rule set on past traffic."""

from __future__ import annotations

import json
from datetime import timedelta

from plugin.routing.replay import replay
from plugin.routing.stored_facts import facts_as_json, facts_from_json
from tests.routing.routing_builders import RECEIVED, a_rule, a_series, a_stack

THIN = a_series("1.1", study="1", Modality="CT", SliceThickness="1")
THICK = a_series(
    "1.2", study="1", Modality="CT", SliceThickness="5", received=RECEIVED + timedelta(minutes=5)
)
MR = a_series("2.1", study="2", Modality="MR")
PAST = [THIN, THICK, MR]
CT = a_rule("ct", When={"Modality": {"Equals": "CT"}})


def test_the_series_that_would_fare_differently_are_told_with_both_fates_and_the_reason() -> None:
    thinner = a_rule("ct", When={"Modality": {"Equals": "CT"}}, Series={"SliceThickness": {"AtMost": 3}})
    outcome = replay(PAST, [CT], [thinner])
    assert (outcome.studies, outcome.series) == (2, 3)
    [change] = outcome.changes
    assert change.series_instance_uid == "1.2"
    assert json.loads(json.dumps(outcome.as_json()))["changes"] == [
        {
            "study_instance_uid": "1",
            "series_instance_uid": "1.2",
            "received": "2026-11-22T14:05:00",
            "before": ["ct-denoise"],
            "after": [],
            "why": "no rule matched: rule 'ct' wants SliceThickness AtMost 3, saw 5",
        }
    ]
    assert outcome.table().splitlines() == [
        "received          series  before      after",
        "2026-11-22 14:05  1.2     ct-denoise  not processed",
        "1 of 3 series in 2 studies would change fate",
    ]


def test_another_name_for_the_same_rule_changes_no_fate() -> None:
    renamed = a_rule("computed tomography", When={"Modality": {"Equals": "CT"}}, Comment="said better")
    outcome = replay(PAST, [CT], [renamed])
    assert outcome.changes == ()
    assert outcome.table() == "0 of 3 series in 2 studies would change fate"


def test_a_change_of_handling_is_a_change_of_fate() -> None:
    changed = a_rule(
        "ct",
        When={"Modality": {"Equals": "CT"}},
        Mode="shadow",
        Priority="stat",
        SendTo=["PACS"],
        OnHold="drop",
        Schedule={"From": "19:00", "To": "06:00"},
    )
    outcome = replay([THIN], [CT], [changed])
    assert str(outcome.changes[0].after[0]) == "ct-denoise (shadow, stat, drop, not before 19:00)"


def test_series_are_judged_among_all_the_series_their_study_came_to_have() -> None:
    thinnest = a_rule(
        "ct", When={"Modality": {"Equals": "CT"}}, Series={"Prefer": "thinnest", "SettleSeconds": 60}
    )
    assert [change.series_instance_uid for change in replay(PAST, [CT], [thinnest]).changes] == ["1.2"]


def test_waits_are_waited_out() -> None:
    wait_for = {"Series": {"PT": {"Modality": {"Equals": "PT"}}}, "AtMostSeconds": 600}
    patient, strict = (
        a_rule("ct", When={"Modality": {"Equals": "CT"}}, WaitFor={**wait_for, "Then": then})
        for then in ("run", "skip")
    )
    assert replay(PAST, [CT], [patient]).changes == ()
    changes = replay(PAST, [CT], [strict]).changes
    assert [change.why for change in changes] == ["no rule matched: rule 'ct' has waited 600 s for PT"] * 2


def test_of_a_series_received_twice_the_last_state_counts() -> None:
    late = a_series(
        "1.1", study="1", Modality="CT", SliceThickness="1", count=9, received=RECEIVED + timedelta(minutes=1)
    )
    many = a_rule("ct", When={"Modality": {"Equals": "CT"}}, Series={"NumberOfInstances": {"AtLeast": 9}})
    outcome = replay([late, THIN], [CT], [many])
    assert (outcome.series, outcome.changes) == (1, ())


def test_the_facts_of_a_long_series_are_stored_compactly() -> None:
    instances = tuple({**one, "ImageType": ("ORIGINAL", "PRIMARY")} for one in a_stack(2000))
    series = a_series(instances=instances, Modality="CT")
    stored = facts_as_json(series)
    assert stored["instances"]["ImageType"] == {"all": ["ORIGINAL", "PRIMARY"]}
    assert len(json.dumps(stored)) < 100_000
    assert facts_from_json(json.loads(json.dumps(stored))) == series
