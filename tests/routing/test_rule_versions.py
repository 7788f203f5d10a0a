"""Rule sets over time: a bad change never replaces a good configuration, and every change can be undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import ConfigurationError
from plugin.routing.versions import Proposal, RuleSetVersion, canonical, differences, earlier_version, propose
from tests.routing.routing_builders import RECEIVED


def rule(name: str, **keys: Any) -> dict[str, Any]:
    return {"Name": name, "When": {"Modality": {"Equals": "CT"}}, "Pipeline": "ct-denoise", **keys}


def change(
    history: list[RuleSetVersion], rules: Any, *, author: str = "anna", based_on: int | None = None
) -> Proposal:
    proposal = propose(
        history,
        rules,
        author=author,
        created=RECEIVED + timedelta(minutes=len(history)),
        pipelines=("ct-denoise",),
        destinations=("PACS",),
        based_on=based_on,
    )
    if proposal.version:
        history.append(proposal.version)
    return proposal


def test_each_change_is_a_version_with_its_author_and_time() -> None:
    history: list[RuleSetVersion] = []
    change(history, [rule("a")])
    change(history, [rule("a"), rule("b")], author="ben")
    assert [(one.number, one.author) for one in history] == [(1, "anna"), (2, "ben")]
    assert history[1].created > history[0].created
    assert [loaded.name for loaded in history[1].rules] == ["a", "b"]
    assert history[1].as_json()["rules"] == [rule("a"), rule("b")]


def test_a_bad_change_is_told_and_makes_no_version() -> None:
    history: list[RuleSetVersion] = []
    change(history, [rule("a")])
    proposal = change(history, [rule("a", Pipeline="ct-denois")])
    assert proposal.version is None
    assert [problem.path for problem in proposal.problems] == ["Rules[0].Pipeline"]
    assert len(history) == 1


def test_a_warning_is_told_and_does_not_stand_in_the_way() -> None:
    proposal = change([], [rule("a", Mode="shadow", SendTo=["PACS"])])
    assert proposal.version is not None
    assert [problem.severity for problem in proposal.problems] == ["warning"]


def test_the_same_rules_again_are_no_change() -> None:
    history: list[RuleSetVersion] = []
    change(history, [rule("a")])
    shuffled = dict(reversed(rule("a").items()))
    assert change(history, [shuffled]).version is None


def test_a_change_based_on_an_outdated_version_is_refused() -> None:
    history: list[RuleSetVersion] = []
    change(history, [rule("a")], based_on=0)
    change(history, [rule("b")], based_on=1)
    with pytest.raises(ConfigurationError, match="based on version 1, but version 2 of anna is in force"):
        change(history, [rule("c")], based_on=1)


def test_a_roll_back_is_a_new_version_with_the_old_rules() -> None:
    history: list[RuleSetVersion] = []
    change(history, [rule("a")])
    change(history, [rule("b")])
    change(history, earlier_version(history, 1).rules_json, author="chris")
    assert [one.number for one in history] == [1, 2, 3]
    assert history[2].sha256 == history[0].sha256 != history[1].sha256
    with pytest.raises(ConfigurationError, match="there is no version 9 of the rules; kept are 1 to 3"):
        earlier_version(history, 9)


def test_the_differences_are_told_rule_by_rule_and_key_by_key() -> None:
    before = [rule("a"), rule("b", Priority="stat"), rule("c")]
    after = [rule("c"), rule("b", SendTo=["PACS"]), rule("d")]
    assert [str(one) for one in differences(before, after)] == [
        "a: removed",
        "d: added",
        'c: moved, "place 2" -> "place 1"',
        'b: moved, "place 1" -> "place 2"',
        'b.Priority: changed, "stat" -> nothing',
        'b.SendTo: changed, nothing -> ["PACS"]',
    ]
    assert differences(before, after)[-1].as_json()["after"] == ["PACS"]


NAMES = st.sampled_from("abcde")
RULES = st.lists(
    st.builds(lambda name, stop: rule(name, Stop=stop), NAMES, st.booleans()),
    max_size=5,
    unique_by=lambda r: r["Name"],
)


@settings(max_examples=60, deadline=None)
@given(RULES, RULES)
def test_there_are_no_differences_just_where_the_rules_are_the_same(one: Any, other: Any) -> None:
    assert (differences(one, other) == ()) is (canonical(one) == canonical(other))
