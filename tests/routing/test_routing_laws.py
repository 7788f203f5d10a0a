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
from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.conditions import AllOf, AnyOf, Condition, NotOf, comparisons, condition_as_json, judge
from plugin.routing.facts import SeriesFacts
from plugin.routing.implication import implies
from plugin.routing.parse_condition import ConditionError, parse_condition
from plugin.routing.reachable import check_reachable
from plugin.routing.reading import SeriesView
from plugin.routing.replay import replay
from plugin.routing.route import route, route_study
from plugin.routing.rule import Rule
from plugin.routing.stored_facts import facts_as_json, facts_from_json
from plugin.routing.validate import rules_from_json
from plugin.routing.verdict import Routing
from tests.routing.routing_builders import AXIAL, CORONAL, RECEIVED, SAGITTAL, a_stack

common = settings(max_examples=60, deadline=None)

TEXTS = st.sampled_from(["CT", "MR", "AXIAL", "Ax", "T1", "T2 tse", "", "ct"])
NUMBERS = st.sampled_from(["1", "2", "2.5", "5", "abc", "", "-1"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Modality": TEXTS,
    "SeriesDescription": TEXTS,
    "ImageType": st.lists(TEXTS, max_size=3).map(tuple),
    "SliceThickness": NUMBERS,
    "PixelSpacing": st.lists(NUMBERS, max_size=2).map(tuple),
    "StudyDate": st.sampled_from(["20260101", "20261231", "1.1.2026", ""]),
    "PatientAge": st.sampled_from(["018Y", "006M", "x"]),
}

TEXT_TESTS = st.one_of(
    st.fixed_dictionaries({"Equals": TEXTS.filter(bool)}),
    st.fixed_dictionaries({"OneOf": st.lists(TEXTS.filter(bool), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"Contains": st.sampled_from(["T", "A", "x"])}),
    st.fixed_dictionaries({"Matches": st.sampled_from(["^T", "(?i)ct", "."])}),
    st.fixed_dictionaries({"Exists": st.booleans()}),
    st.fixed_dictionaries({"Absent": st.booleans()}),
)
LIMITS = st.integers(0, 5)
NUMBER_TESTS = st.one_of(
    st.fixed_dictionaries({"Equals": LIMITS}),
    st.fixed_dictionaries({"AtLeast": LIMITS}),
    st.fixed_dictionaries({"AtMost": LIMITS}),
    st.lists(LIMITS, min_size=2, max_size=2).map(lambda two: {"Between": sorted(two)}),
    st.fixed_dictionaries({"OneOf": st.lists(LIMITS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"Exists": st.booleans()}),
)


def with_instances(tests: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    quantifier = st.sampled_from([{}, {}, {"Instances": "any"}, {"Instances": "all"}])
    return st.tuples(tests, quantifier).map(lambda pair: pair[0] | pair[1])


def on(name: str, tests: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: tests})


LEAVES = st.one_of(
    *(on(name, with_instances(TEXT_TESTS)) for name in ("Modality", "SeriesDescription", "ImageType")),
    *(on(name, with_instances(NUMBER_TESTS)) for name in ("SliceThickness", "PixelSpacing")),
    on("SliceSpacingMm", NUMBER_TESTS),
    on("Orientation", st.sampled_from(["axial", "sagittal", "mixed"]).map(lambda plane: {"Equals": plane})),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"All": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"Any": parts}),
        inner.map(lambda part: {"Not": part}),
    ),
    max_leaves=6,
)
PARSED = CONDITIONS.map(parse_condition)


@st.composite
def facts(draw: st.DrawFn, uid: str = "1.1") -> SeriesFacts:
    attributes = draw(st.fixed_dictionaries({}, optional=VALUES))
    plane = draw(st.sampled_from([AXIAL, SAGITTAL, CORONAL, ""]))
    stack = a_stack(draw(st.integers(0, 3)), spacing_mm=draw(st.sampled_from([1.0, 2.5])), orientation=plane)
    varied = [dict(one) | draw(st.fixed_dictionaries({}, optional=VALUES)) for one in stack]
    return SeriesFacts(
        study_instance_uid="1",
        series_instance_uid=uid,
        attributes=attributes,
        instances=tuple(varied),
        number_of_instances=len(varied) + draw(st.integers(0, 2)),
        calling_ae_title="A",
        called_ae_title="B",
        remote_ip=draw(st.sampled_from(["10.0.0.1", "::1", "", "unknown"])),
        received=RECEIVED + timedelta(seconds=draw(st.integers(0, 100))),
    )


@st.composite
def studies(draw: st.DrawFn) -> list[SeriesFacts]:
    return [draw(facts(uid=f"1.{number}")) for number in range(draw(st.integers(1, 4)))]


WAITS = st.fixed_dictionaries(
    {
        "Series": st.fixed_dictionaries({"wanted": LEAVES}),
        "AtMostSeconds": st.just(60),
        "Then": st.sampled_from(["run", "skip"]),
    }
)
CHOICES = st.one_of(
    LEAVES,
    st.tuples(LEAVES, st.sampled_from(["thinnest", "most-slices", "first"]), st.sampled_from([0, 50])).map(
        lambda parts: {**parts[0], "Prefer": parts[1], "SettleSeconds": parts[2]}
    ),
    st.tuples(LEAVES, LEAVES).map(lambda pair: {"Inputs": {"a": pair[0], "b": pair[1]}}),
)
RULES = st.fixed_dictionaries(
    {"Pipeline": st.sampled_from(["p", "q"])},
    optional={
        "When": CONDITIONS,
        "Series": CHOICES,
        "Mode": st.sampled_from(["live", "shadow"]),
        "Enabled": st.booleans(),
        "Stop": st.booleans(),
        "Fallback": st.booleans(),
        "WaitFor": WAITS,
        "Schedule": st.just({"From": "19:00", "To": "06:00"}),
    },
)


def named(rules: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return rules_from_json([{"Name": f"r{place}", **rule} for place, rule in enumerate(rules)])


RULE_SETS = st.lists(RULES, max_size=5).map(named)


def holds(condition: Condition, series: SeriesFacts) -> bool:
    traces: list[ConditionTrace] = []
    judgement = judge(condition, SeriesView(series), "", traces)
    assert len(traces) == len(list(comparisons(condition)))
    assert judgement.because or not traces
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
    traces: list[ConditionTrace] = []
    judge(condition, SeriesView(nothing), "", traces)
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
