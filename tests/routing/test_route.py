"""Rules on a series: what runs, what does not, and the words for it."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import permutations

import pytest

from plugin.routing.facts import SeriesFacts
from plugin.routing.route import route, route_study, waits
from plugin.routing.rule import Rule
from tests.routing.routing_builders import RECEIVED, a_rule, a_series, a_stack

CT = a_series(Modality="CT", SeriesDescription="AXIAL", SliceThickness="1")
MR = a_series(Modality="MR")
IS_CT = {"Modality": {"Equals": "CT"}}
IS_MR = {"Modality": {"Equals": "MR"}}


def fates(facts: SeriesFacts, *rules: Rule) -> list[str]:
    return [decision.fate for decision in route(facts, rules).decisions]


def test_a_series_that_satisfies_a_rule_is_routed_to_its_pipeline() -> None:
    routing = route(CT, [a_rule("ct", When=IS_CT)])
    assert [rule.pipeline for rule in routing.chosen] == ["ct-denoise"]
    assert routing.summary == "rule 'ct' matched"


def test_no_rule_matched_is_an_answer_with_the_value_that_was_seen() -> None:
    routing = route(MR, [a_rule("ct", When=IS_CT)])
    assert routing.chosen == ()
    assert routing.summary == "no rule matched: rule 'ct' wants Modality Equals CT, saw MR"
    [decision] = routing.decisions
    assert decision.reason == "rule does not apply: wants Modality Equals CT, saw MR"


def test_a_failing_series_choice_reads_differently_from_a_failing_when() -> None:
    routing = route(CT, [a_rule("thin", When=IS_CT, Series={"SliceThickness": {"AtMost": 0.6}})])
    assert routing.decisions[0].fate == "not-this-series"
    assert routing.decisions[0].reason == (
        "rule applies, but this series is not the one: wants SliceThickness AtMost 0.6, saw 1"
    )


def test_without_rules_the_summary_says_that_there_are_none() -> None:
    assert route(CT, []).summary == "no rule matched: there are no rules"


def test_every_rule_and_every_condition_is_in_the_explanation() -> None:
    both = {"Any": [IS_CT, {"Not": IS_MR}], "SeriesDescription": {"Contains": "AXIAL"}}
    routing = route(
        CT, [a_rule("a", When=both), a_rule("b", When=IS_MR, Series={"SliceThickness": {"AtMost": 2}})]
    )
    explained = json.loads(json.dumps(routing.as_json()))
    assert [rule["rule"] for rule in explained["decisions"]] == ["a", "b"]
    assert [trace["path"] for trace in explained["decisions"][0]["conditions"]] == [
        "When.Any[0].Modality.Equals",
        "When.Any[1].Not.Modality.Equals",
        "When.SeriesDescription.Contains",
    ]
    assert [trace["path"] for trace in explained["decisions"][1]["conditions"]] == [
        "When.Modality.Equals",
        "Series.SliceThickness.AtMost",
    ]


def test_a_long_list_of_rules_is_summed_up_by_the_nearest() -> None:
    rules = [a_rule(f"mr{number}", When=IS_MR) for number in range(9)]
    near = a_rule("near", When=IS_CT, Series={"SliceThickness": {"AtMost": 0.5}})
    summary = route(CT, [*rules, near]).summary
    assert summary.startswith(
        "no rule matched: rule 'near' wants SliceThickness AtMost 0.5, saw 1; rule 'mr0'"
    )
    assert summary.endswith("and 7 more did not")


def test_every_rule_that_matches_runs_in_the_order_written() -> None:
    rules = [a_rule("b", When=IS_CT), a_rule("a"), a_rule("c", When=IS_CT)]
    assert [rule.name for rule in route(CT, rules).chosen] == ["b", "a", "c"]


def test_stop_keeps_later_rules_from_running_and_they_say_why() -> None:
    rules = [a_rule("first", When=IS_CT, Stop=True), a_rule("second", When=IS_CT), a_rule("mr", When=IS_MR)]
    routing = route(CT, rules)
    assert [rule.name for rule in routing.chosen] == ["first"]
    assert routing.verdict("second").reason == (
        "rule is not considered: rule 'first' before it matched and says Stop"
    )
    assert [rule.name for rule in route(MR, rules).chosen] == ["mr"]


def test_a_fallback_runs_only_when_no_other_rule_matched_wherever_it_is_written() -> None:
    for rules in permutations([a_rule("ct", When=IS_CT), a_rule("rest", Fallback=True)]):
        assert [rule.name for rule in route(CT, rules).chosen] == ["ct"]
        assert [rule.name for rule in route(MR, rules).chosen] == ["rest"]


def test_a_disabled_rule_neither_runs_nor_stops() -> None:
    assert fates(CT, a_rule("off", Enabled=False, Stop=True), a_rule("on")) == ["disabled", "runs"]


def test_a_shadow_rule_neither_stops_nor_replaces_a_fallback() -> None:
    shadow = a_rule("new", Mode="shadow", Stop=True)
    assert fates(CT, shadow, a_rule("old"), a_rule("rest", Fallback=True)) == [
        "runs",
        "runs",
        "fallback-not-needed",
    ]
    assert fates(CT, shadow, a_rule("rest", Fallback=True)) == ["runs", "runs"]


THIN = a_series("1.1", Modality="CT", SliceThickness="1", SeriesNumber="3")
THICK = a_series("1.2", Modality="CT", SliceThickness="5", SeriesNumber="2", count=300)
SCOUT = a_series("1.3", Modality="CT", SeriesNumber="1")


@pytest.mark.parametrize(
    ("prefer", "winner"),
    [("thinnest", "1.1"), ("most-slices", "1.2"), ("first", "1.3"), (["thinnest", "first"], "1.1")],
)
def test_the_preferred_series_of_the_study_runs_and_the_others_say_which(prefer: object, winner: str) -> None:
    rules = [a_rule("one", Series={"Prefer": prefer})]
    routings = route_study([THICK, SCOUT, THIN], rules)
    assert [routing.series_instance_uid for routing in routings if routing.chosen] == [winner]
    assert all(winner in routing.decisions[0].reason for routing in routings if not routing.chosen)


def test_the_reason_of_a_preference_has_its_numbers() -> None:
    reason = route(THICK, [a_rule("one", Series={"Prefer": "thinnest"})], [THIN, THICK]).decisions[0].reason
    assert reason.endswith("prefers series 1.1, thinnest: 1 against 5 mm")


def test_a_series_that_does_not_satisfy_the_rule_is_no_rival() -> None:
    rule = a_rule("one", Series={"SliceThickness": {"AtLeast": 3}, "Prefer": "thinnest"})
    assert route(THICK, [rule], [THIN]).chosen


def test_a_preference_with_a_settle_time_waits_until_the_study_is_quiet() -> None:
    rule = a_rule("one", Series={"Prefer": "thinnest", "SettleSeconds": 60})
    late = a_series("1.4", Modality="CT", SliceThickness="3", received=RECEIVED + timedelta(seconds=30))
    [wait] = waits(THIN, [rule], [THIN, late])
    assert (wait.missing, wait.until) == ((), RECEIVED + timedelta(seconds=90))
    assert route(THIN, [rule], [late], now=wait.until).chosen


T1 = a_series("1.1", Modality="MR", SeriesDescription="T1 tse")
T2 = a_series("1.2", Modality="MR", SeriesDescription="T2 tse")
T2_AGAIN = a_series("1.3", Modality="MR", SeriesDescription="T2 tse", SeriesNumber="9")
PAIR = a_rule(
    "pair",
    When=IS_MR,
    Series={
        "Inputs": {
            "t1": {"SeriesDescription": {"Matches": "^T1"}},
            "t2": {"SeriesDescription": {"Matches": "^T2"}, "Prefer": "first"},
        }
    },
)


def test_a_rule_with_several_inputs_waits_for_all_and_names_the_missing() -> None:
    [decision] = route(T1, [PAIR]).decisions
    assert (decision.fate, decision.matched) == ("waits", False)
    assert decision.reason == "rule applies, but waits: waits for t2 until 15:00:00"
    assert route(T1, [PAIR], now=RECEIVED + timedelta(hours=1)).decisions[0].fate == "gave-up"


def test_a_rule_with_several_inputs_takes_the_preferred_series_for_each() -> None:
    [decision] = route(T2, [PAIR], [T1, T2, T2_AGAIN]).decisions
    assert decision.fate == "other-series-preferred"
    [decision] = route(T2_AGAIN, [PAIR], [T1, T2]).decisions
    assert decision.inputs == (("t1", "1.1"), ("t2", "1.3"))
    assert route(CT, [PAIR], [T1, T2]).decisions[0].fate == "does-not-apply"


def test_one_series_never_fills_two_inputs() -> None:
    greedy = a_rule("pair", Series={"Inputs": {"a": {"Modality": {"Exists": True}}, "b": {}}})
    assert route(T1, [greedy]).decisions[0].fate == "waits"
    assert dict(route(T1, [greedy], [T2]).decisions[0].inputs) == {"a": "1.1", "b": "1.2"}


def waiting_rule(then: str, **keys: object) -> Rule:
    wanted = {"T2": {"SeriesDescription": {"Matches": "^T2"}}}
    wait_for = {"Series": wanted, "AtMostSeconds": 600, "Then": then}
    return a_rule("t1", When={"SeriesDescription": {"Matches": "^T1"}}, WaitFor=wait_for, **keys)


def test_a_rule_waits_for_a_named_series_and_fires_when_it_is_there() -> None:
    [wait] = waits(T1, [waiting_rule("skip")], [])
    assert (wait.rule, wait.missing, wait.until) == ("t1", ("T2",), RECEIVED + timedelta(minutes=10))
    assert route(T1, [waiting_rule("skip")], [T2]).chosen


@pytest.mark.parametrize(("then", "fate"), [("run", "runs"), ("skip", "gave-up")])
def test_at_the_limit_a_waiting_rule_does_what_it_says(then: str, fate: str) -> None:
    routing = route(T1, [waiting_rule(then)], now=RECEIVED + timedelta(minutes=10))
    assert routing.decisions[0].fate == fate
    assert "has waited 600 s for T2" in routing.decisions[0].reason


def test_a_waiting_rule_that_says_stop_holds_the_rules_after_it_back() -> None:
    rules = [waiting_rule("skip", Stop=True), a_rule("any"), a_rule("rest", Fallback=True)]
    assert fates(T1, *rules) == ["waits", "waits", "waits"]
    assert [rule.name for rule in route(T1, rules, [T2]).chosen] == ["t1"]
    late = route(T1, rules, now=RECEIVED + timedelta(minutes=10))
    assert [rule.name for rule in late.chosen] == ["any"]


def test_a_schedule_delays_the_job_and_not_the_match() -> None:
    rule = a_rule("night", Schedule={"From": "19:00", "To": "06:00"})
    routing = route(CT, [rule])
    assert routing.chosen
    assert routing.decisions[0].not_before == RECEIVED.replace(hour=19)
    at_night = RECEIVED.replace(hour=23)
    assert route(CT, [rule], now=at_night).decisions[0].not_before is None


def test_a_called_ae_title_selects_a_pipeline() -> None:
    rules = [
        a_rule("denoise", When={"CalledAeTitle": {"Equals": "DENOISE"}}, Stop=True),
        a_rule("other", Pipeline="mr-denoise"),
    ]
    assert [rule.name for rule in route(a_series(called="DENOISE "), rules).chosen] == ["denoise"]
    assert [rule.name for rule in route(a_series(called="ORTHOGEN"), rules).chosen] == ["other"]


def test_behind_a_rule_that_waits_only_what_would_run_is_held_back() -> None:
    rules = [
        waiting_rule("skip", Stop=True),
        a_rule("ct", When=IS_CT),
        a_rule("off", Enabled=False),
        a_rule("mr"),
    ]
    assert fates(T1, *rules) == ["waits", "does-not-apply", "disabled", "waits"]


def test_a_series_that_does_not_satisfy_when_fills_no_input() -> None:
    other_modality = a_series("1.9", Modality="CT", SeriesDescription="T2 of the CT")
    assert route(T1, [PAIR], [other_modality]).decisions[0].fate == "waits"


def test_where_no_slice_thickness_is_given_the_measured_spacing_decides() -> None:
    fine = a_series("1.1", instances=a_stack(4, spacing_mm=0.7))
    coarse = a_series("1.2", instances=a_stack(4, spacing_mm=5), SeriesNumber="1")
    rule = a_rule("one", Series={"Prefer": "thinnest"})
    assert [
        routing.series_instance_uid for routing in route_study([coarse, fine], [rule]) if routing.chosen
    ] == ["1.1"]
