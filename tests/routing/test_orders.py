"""Several rules that ask for the same run of a pipeline."""

from __future__ import annotations

from plugin.routing.orders import orders
from plugin.routing.route import route
from tests.routing.routing_builders import RECEIVED, a_rule, a_series

NIGHT = {"From": "19:00", "To": "06:00"}
EVENING = {"From": "17:00", "To": "06:00"}


def test_a_pipeline_runs_once_for_all_the_rules_that_ask_for_it() -> None:
    rules = [
        a_rule("a", SendTo=["PACS"], Schedule=NIGHT, OnHold="release"),
        a_rule("b", SendTo=["RESEARCH", "PACS"], Priority="stat", Schedule=EVENING, OnHold="drop"),
        a_rule("c", Pipeline="mr-denoise"),
    ]
    first, second = orders(route(a_series(), rules))
    assert (first.pipeline, first.rules, first.priority, first.on_hold) == (
        "ct-denoise",
        ("a", "b"),
        "stat",
        "drop",
    )
    assert first.send_to == ("PACS", "RESEARCH")
    assert first.not_before == RECEIVED.replace(hour=17)
    assert (second.pipeline, second.rules) == ("mr-denoise", ("c",))


def test_one_rule_without_a_schedule_is_enough_to_start_at_once() -> None:
    [order] = orders(route(a_series(), [a_rule("a", Schedule=NIGHT), a_rule("b")]))
    assert order.not_before is None


def test_a_shadow_rule_never_takes_a_live_rules_run_away() -> None:
    shadow = a_rule("new", Mode="shadow", Priority="stat", SendTo=["RESEARCH"], Schedule=NIGHT)
    for rules in ([shadow, a_rule("old", SendTo=["PACS"])], [a_rule("old", SendTo=["PACS"]), shadow]):
        [order] = orders(route(a_series(), rules))
        assert (order.rules, order.mode, order.priority, order.send_to) == (
            ("old",),
            "live",
            "routine",
            ("PACS",),
        )
    [alone] = orders(route(a_series(), [shadow]))
    assert (alone.mode, alone.send_to) == ("shadow", ())


def test_the_same_pipeline_on_other_inputs_is_another_run() -> None:
    t1, t2 = a_series("1", SeriesDescription="T1"), a_series("2", SeriesDescription="T2")
    one = {
        "Inputs": {"a": {"SeriesDescription": {"Equals": "T1"}}, "b": {"SeriesDescription": {"Equals": "T2"}}}
    }
    other = {
        "Inputs": {"a": {"SeriesDescription": {"Equals": "T2"}}, "b": {"SeriesDescription": {"Equals": "T1"}}}
    }
    both = orders(route(t1, [a_rule("x", Series=one), a_rule("y", Series=other)], [t2]))
    assert [dict(order.inputs) for order in both] == [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}]


def test_where_no_rule_matches_there_is_nothing_to_do() -> None:
    assert orders(route(a_series(), [a_rule("a", Enabled=False)])) == ()
