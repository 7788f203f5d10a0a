"""What must hold for every rule set and every series, checked on generated ones."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.routing import conditions
from plugin.routing.attributes import attribute_names
from plugin.routing.conditions import AllOf, AnyOf, Condition, NotOf, comparisons, condition_as_json
from plugin.routing.facts import SeriesFacts
from plugin.routing.implication import implies
from plugin.routing.judging import Question
from plugin.routing.parse_condition import ConditionError, parse_condition
from plugin.routing.reachable import check_reachable
from plugin.routing.reading import SeriesView
from plugin.routing.replay import replay
from plugin.routing.route import route, route_study
from plugin.routing.rule import Rule
from plugin.routing.stored_facts import facts_as_json, facts_from_json
from plugin.routing.validate import rules_from_json
from plugin.routing.verdict import Routing
from tests.routing.generated_routing import PARSED, RULE_SETS, RULES, facts, named, studies
from tests.routing.routing_builders import RECEIVED

common = settings(max_examples=60, deadline=None)


def holds(condition: Condition, series: SeriesFacts) -> bool:
    judgement = Question({"": condition}).ask(SeriesView(series))
    assert len(judgement.traces) == len(list(comparisons(condition)))
    assert judgement.because or not judgement.traces
    assert conditions.holds(condition, SeriesView(series)) is judgement.holds
    return judgement.holds


@common
@given(PARSED, PARSED, PARSED, facts())
def test_and_or_and_not_follow_the_laws_of_logic(
    a: Condition, b: Condition, c: Condition, one: SeriesFacts
) -> None:
    p, q, r = holds(a, one), holds(b, one), holds(c, one)
    assert holds(AllOf((a, b, c)), one) is (p and q and r)
    assert holds(AnyOf((a, b, c)), one) is (p or q or r)
    assert holds(NotOf(a), one) is (not p)
    assert holds(NotOf(AllOf((a, b))), one) is holds(AnyOf((NotOf(a), NotOf(b))), one)
    assert holds(AllOf((a, AnyOf((b, c)))), one) is holds(AnyOf((AllOf((a, b)), AllOf((a, c)))), one)


@common
@given(PARSED)
def test_a_condition_reads_back_equal_from_its_json(condition: Condition) -> None:
    written = json.loads(json.dumps(condition_as_json(condition)))
    assert parse_condition(written) == condition


@common
@given(PARSED)
def test_on_a_series_of_which_nothing_is_known_no_condition_raises(condition: Condition) -> None:
    nothing = SeriesFacts("", "", {}, (), 0, "", "", "", datetime(2026, 1, 1))
    traces = Question({"": condition}).ask(SeriesView(nothing)).traces
    for trace, leaf in zip(traces, comparisons(condition), strict=True):
        assert trace.seen is None
        assert trace.holds is (
            leaf.expected is (leaf.operator == "Absent") and leaf.operator in ("Exists", "Absent")
        )


@common
@given(st.sampled_from(attribute_names()), st.text(max_size=20), st.sampled_from(["x", "1", "20260101"]))
def test_no_attribute_of_the_dictionary_and_no_value_makes_a_condition_raise(
    name: str, value: str, wanted: str
) -> None:
    series = SeriesFacts("1", "2", {name: value}, ({name: (value, value)},), 1, "", "", value, RECEIVED)
    for operator, operand in (("Exists", True), ("Matches", wanted), ("Equals", wanted), ("AtLeast", wanted)):
        with suppress(ConditionError):
            condition = parse_condition({name: {operator: operand}})
            holds(condition, series)


@common
@given(PARSED, facts(), st.randoms(use_true_random=False))
def test_the_order_of_the_instances_does_not_matter(
    condition: Condition, one: SeriesFacts, random: Any
) -> None:
    shuffled = list(one.instances)
    random.shuffle(shuffled)
    assert holds(condition, replace(one, instances=tuple(shuffled))) is holds(condition, one)


@common
@given(PARSED, PARSED, facts())
def test_what_is_said_to_follow_does_follow(narrow: Condition, wide: Condition, one: SeriesFacts) -> None:
    assert implies(narrow, narrow)
    assert implies(AllOf((narrow, wide)), wide)
    assert implies(narrow, AnyOf((wide, narrow)))
    if implies(narrow, wide):
        assert not holds(narrow, one) or holds(wide, one)


@common
@given(studies(), RULE_SETS)
def test_explain_agrees_with_route(study: list[SeriesFacts], rules: tuple[Rule, ...]) -> None:
    for one in study:
        routing = route(one, rules, study)
        explained = json.loads(json.dumps(routing.as_json()))
        assert [told["rule"] for told in explained["decisions"]] == [rule.name for rule in rules]
        assert [told["rule"] for told in explained["decisions"] if told["matched"]] == [
            rule.name for rule in routing.chosen
        ]
        for decision in routing.decisions:
            assert decision.matched is (decision.fate == "runs")
            assert decision.reason
            assert decision.wait is None or decision.fate == "waits"
        assert routing.summary.startswith("rule" if routing.chosen else "no rule matched")
        _check_conditions_agree(rules, routing, one)


def _check_conditions_agree(rules: tuple[Rule, ...], routing: Routing, one: SeriesFacts) -> None:
    """The fate that is told is the one that the conditions, judged alone, allow."""
    for rule, decision in zip(rules, routing.decisions, strict=True):
        if decision.fate == "does-not-apply":
            assert not holds(rule.when, one)
        elif decision.fate == "not-this-series":
            assert holds(rule.when, one)
        elif decision.fate not in ("disabled", "stopped"):
            assert holds(rule.when, one)
            assert rule.series is None or holds(rule.series.condition, one)


@common
@given(studies(), RULE_SETS)
def test_route_and_route_study_agree_and_do_not_depend_on_the_order_of_the_study(
    study: list[SeriesFacts], rules: tuple[Rule, ...]
) -> None:
    together = {routing.series_instance_uid: routing for routing in route_study(study, rules)}
    for one in study:
        assert route(one, rules, study[::-1]) == together[one.series_instance_uid]


@common
@given(studies(), st.lists(RULES, max_size=5), st.randoms(use_true_random=False))
def test_without_stop_and_waits_the_order_of_rules_changes_no_fate(
    study: list[SeriesFacts], sources: list[dict[str, Any]], random: Any
) -> None:
    free = [{key: value for key, value in rule.items() if key not in ("Stop", "WaitFor")} for rule in sources]
    rules = list(named(free))
    shuffled = rules[:]
    random.shuffle(shuffled)
    one = study[0]
    before = {decision.rule: decision.fate for decision in route(one, rules, study).decisions}
    assert before == {decision.rule: decision.fate for decision in route(one, shuffled, study).decisions}


@common
@given(studies(), RULE_SETS, RULES)
def test_a_shadow_rule_anywhere_changes_nothing_for_the_others(
    study: list[SeriesFacts], rules: tuple[Rule, ...], source: dict[str, Any]
) -> None:
    [shadow] = rules_from_json([{**source, "Name": "shadow", "Mode": "shadow"}])
    without = {decision.rule: decision.fate for decision in route(study[0], rules, study).decisions}
    for place in range(len(rules) + 1):
        with_it = [*rules[:place], shadow, *rules[place:]]
        fates = {decision.rule: decision.fate for decision in route(study[0], with_it, study).decisions}
        assert {name: fate for name, fate in fates.items() if name != "shadow"} == without


@common
@given(studies(), RULE_SETS)
def test_after_a_live_rule_that_matched_and_says_stop_no_ordinary_rule_runs(
    study: list[SeriesFacts], rules: tuple[Rule, ...]
) -> None:
    routing = route(study[0], rules, study)
    stopped = False
    for rule, decision in zip(rules, routing.decisions, strict=True):
        if rule.fallback:
            continue
        assert not (stopped and decision.matched)
        stopped = stopped or (decision.matched and rule.stop and rule.mode == "live")
    ordinary = any(rule.mode == "live" and not rule.fallback for rule in routing.chosen)
    assert not (ordinary and any(rule.fallback for rule in routing.chosen))


@common
@given(studies(), RULE_SETS)
def test_a_rule_called_unreachable_never_runs(study: list[SeriesFacts], rules: tuple[Rule, ...]) -> None:
    dead = {int(problem.path[6:-1]) for problem in check_reachable(dict(enumerate(rules)))}
    for one in study:
        for moment in (one.received, one.received + timedelta(hours=2)):
            routing = route(one, rules, study, now=moment)
            assert not any(routing.decisions[place].matched for place in dead)


@common
@given(studies(), RULE_SETS)
def test_once_every_wait_is_over_no_rule_waits(study: list[SeriesFacts], rules: tuple[Rule, ...]) -> None:
    for one in study:
        routing = route(one, rules, study, now=RECEIVED + timedelta(hours=2))
        assert routing.waits == ()
        assert all(decision.fate != "waits" for decision in routing.decisions)


@common
@given(studies(), RULE_SETS)
def test_replaying_the_same_rules_changes_no_fate(study: list[SeriesFacts], rules: tuple[Rule, ...]) -> None:
    assert replay(study, rules, rules).changes == ()


@common
@given(studies(), RULE_SETS)
def test_a_replay_tells_just_the_series_whose_jobs_differ(
    study: list[SeriesFacts], rules: tuple[Rule, ...]
) -> None:
    later = RECEIVED + timedelta(hours=2)
    changed = {change.series_instance_uid for change in replay(study, rules, ()).changes}
    assert changed == {
        routing.series_instance_uid for routing in route_study(study, rules, now=later) if routing.chosen
    }


@common
@given(facts())
def test_facts_read_back_from_their_json_are_the_same(one: SeriesFacts) -> None:
    stored = json.loads(json.dumps(facts_as_json(one)))
    assert facts_from_json(stored) == one


DATES = st.sampled_from(["20260101", "20260102", "20260103", "20260104", "", "soon", "20260101\\20260104"])
LIMIT_DATES = st.sampled_from(["20260101", "20260102", "20260103"])


@common
@given(st.lists(DATES, min_size=1, max_size=8), LIMIT_DATES, LIMIT_DATES)
def test_of_many_different_values_the_same_are_outside_as_when_each_is_looked_at(
    dates: list[str], one: str, other: str
) -> None:
    low, high = sorted((one, other))
    series = SeriesFacts(
        "1", "2", {}, tuple({"AcquisitionDate": date} for date in dates), len(dates), "", "", "", RECEIVED
    )

    def inside(date: str) -> bool:
        return all(low <= part <= high for part in date.split("\\")) and date not in ("", "soon")

    for quantifier, expected in (("any", any(map(inside, dates))), ("all", all(map(inside, dates)))):
        test = {"Between": [low, high], "Instances": quantifier}
        assert holds(parse_condition({"AcquisitionDate": test}), series) is expected
