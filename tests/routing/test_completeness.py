"""When a series counts as complete, and what is said while it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plugin.routing.completeness import (
    CompletenessPolicy,
    CompletenessRules,
    CompletenessState,
    completeness,
    policy_for,
)
from plugin.routing.facts import SeriesFacts
from tests.routing.routing_builders import RECEIVED, a_rule, a_series

IS_MR = {"Modality": {"Equals": "MR"}}
IS_T2 = {"SeriesDescription": {"Contains": "T2"}}
DEFAULTS = CompletenessRules.model_validate(
    {
        "Default": {"QuietSeconds": 2},
        "Sources": [
            {"When": {"CallingAeTitle": {"Equals": "SLOW"}}, "QuietSeconds": 30},
            {"When": {"CalledAeTitle": {"Equals": "COUNTED"}}, "ExpectedCount": "ImagesInAcquisition"},
        ],
    }
)


def state(
    policy: CompletenessPolicy, facts: SeriesFacts, after_s: float, *study: SeriesFacts
) -> CompletenessState:
    now = RECEIVED + timedelta(seconds=after_s)
    return completeness(policy, facts, last_instance=RECEIVED, now=now, study=study)


def test_a_quiet_series_is_complete_and_before_that_it_is_known_when_to_look_again() -> None:
    series = a_series(Modality="CT")
    policy = policy_for(series, [], DEFAULTS)
    early = state(policy, series, 1.9)
    assert (early.complete, early.reason) == (False, "not quiet for 2 s yet")
    assert early.look_again == RECEIVED + timedelta(seconds=2)
    assert state(policy, series, 2.0) == CompletenessState(True, "quiet for 2 s", None)


def test_a_late_slice_starts_the_quiet_time_again() -> None:
    series = a_series(Modality="CT")
    policy = policy_for(series, [], DEFAULTS)
    late = RECEIVED + timedelta(seconds=10)
    again = completeness(policy, series, last_instance=late, now=late + timedelta(seconds=1))
    assert not again.complete


@pytest.mark.parametrize(
    ("calling", "called", "quiet_s"), [("SLOW", "ANY", 30), ("FAST", "ANY", 2), ("SLOW", "COUNTED", 30)]
)
def test_the_first_source_that_fits_sets_the_policy(calling: str, called: str, quiet_s: float) -> None:
    assert policy_for(a_series(calling=calling, called=called), [], DEFAULTS).quiet_s == quiet_s


def test_a_rule_that_the_series_satisfies_overrides_the_source_and_the_longest_time_holds() -> None:
    rules = [
        a_rule("ct", When={"Modality": {"Equals": "CT"}}, Completeness={"QuietSeconds": 500}),
        a_rule("mr", When=IS_MR, Completeness={"QuietSeconds": 5}),
        a_rule("mr2", When=IS_MR, Completeness={"QuietSeconds": 8}),
        a_rule("off", When=IS_MR, Enabled=False, Completeness={"QuietSeconds": 900}),
    ]
    assert policy_for(a_series(Modality="MR", calling="SLOW"), rules, DEFAULTS).quiet_s == 8


COUNTED = a_rule(
    "ct", Completeness={"QuietSeconds": 2, "ExpectedCount": "ImagesInAcquisition", "AtMostSeconds": 60}
)


def test_the_expected_count_ends_the_wait_at_once() -> None:
    series = a_series(count=120, ImagesInAcquisition="120")
    policy = policy_for(series, [COUNTED], DEFAULTS)
    assert (
        state(policy, series, 0).reason
        == "120 of the 120 instances that ImagesInAcquisition announces are here"
    )
    assert state(policy, series, 0).complete


def test_a_series_that_is_short_waits_beyond_the_quiet_time_and_not_for_ever() -> None:
    series = a_series(count=90, ImagesInAcquisition="120")
    policy = policy_for(series, [COUNTED], DEFAULTS)
    short = state(policy, series, 59)
    assert (short.complete, short.look_again) == (False, RECEIVED + timedelta(seconds=60))
    given_up = state(policy, series, 60)
    assert given_up.complete
    assert (
        given_up.reason == "after 60 s: 90 of the 120 instances that ImagesInAcquisition announces are here"
    )


@pytest.mark.parametrize("announced", ["", "many", "0", "-5", "90.5", "120.5", "80"])
def test_a_count_that_cannot_be_about_the_series_leaves_the_quiet_time(announced: str) -> None:
    series = a_series(count=90, ImagesInAcquisition=announced)
    policy = policy_for(series, [COUNTED], DEFAULTS)
    assert [state(policy, series, seconds).complete for seconds in (1, 2)] == [False, True]


def test_counts_that_differ_among_the_instances_prove_nothing() -> None:
    series = a_series(instances=({"ImagesInAcquisition": "2"}, {"ImagesInAcquisition": "3"}))
    assert not state(policy_for(series, [COUNTED], DEFAULTS), series, 0).complete


def test_a_required_series_is_waited_for_by_name() -> None:
    rule = a_rule("t1", When=IS_MR, Completeness={"RequiredSeries": {"T2": IS_T2}, "AtMostSeconds": 60})
    t1, t2 = a_series("1", Modality="MR"), a_series("2", Modality="MR", SeriesDescription="T2")
    policy = policy_for(t1, [rule], DEFAULTS)
    waiting = state(policy, t1, 30)
    assert (waiting.complete, waiting.reason) == (False, "waits for T2")
    assert state(policy, t1, 30, t2) == CompletenessState(True, "quiet for 2 s", None)
    assert state(policy, t1, 60).reason == "after 60 s: T2 did not come"


def test_a_short_limit_never_ends_the_quiet_time() -> None:
    rule = a_rule(
        "t1", Completeness={"QuietSeconds": 60, "RequiredSeries": {"T2": IS_T2}, "AtMostSeconds": 1}
    )
    series = a_series(Modality="MR")
    policy = policy_for(series, [rule], DEFAULTS)
    assert [state(policy, series, seconds).complete for seconds in (2, 59, 60)] == [False, False, True]
