"""What the interface takes and answers about rules, as types; see `plugin.answers`."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from plugin.routing.rule import Rule

exactly = with_config(ConfigDict(extra="forbid"))


@exactly
class ProblemAnswer(TypedDict):
    """What is wrong with a change, where, and what is allowed."""

    path: str
    what: str
    allowed: str
    severity: NotRequired[str]


@exactly
class ConditionAnswer(TypedDict):
    """One condition of a rule, and the value it saw."""

    attribute: str
    operator: str
    expected: Any
    seen: str | None
    holds: bool
    path: str
    note: str


@exactly
class DecisionAnswer(TypedDict):
    """One rule on one series."""

    rule: str
    matched: bool
    fate: str
    reason: str
    conditions: list[ConditionAnswer]
    inputs: dict[str, str]
    not_before: str | None
    waits_until: str | None


@exactly
class MadeJobAnswer(TypedDict):
    """The job that rules led to."""

    rules: list[str]
    job: str
    new: bool


@exactly
class RoutingAnswer(TypedDict):
    """Every rule on one series."""

    summary: str
    decisions: list[DecisionAnswer]
    series_instance_uid: NotRequired[str]
    matched: NotRequired[list[str]]
    jobs: NotRequired[list[MadeJobAnswer]]
    rules_version: NotRequired[int | None]


@exactly
class DryRunAnswer(TypedDict):
    """What the rules would do."""

    series: list[RoutingAnswer]


@exactly
class VersionBody(TypedDict):
    """The version to go back to."""

    version: int


@exactly
class RulesBody(TypedDict):
    """A whole rule set."""

    rules: list[Rule]
    comment: NotRequired[str]
    based_on: NotRequired[int]


@exactly
class DryRunBody(TypedDict):
    """What to try the rules on: one of the first three; and on which rules, if not on those in force."""

    study_instance_uid: NotRequired[str]
    series_instance_uid: NotRequired[str]
    values: NotRequired[dict[str, Any]]
    rules: NotRequired[list[Rule]]


@exactly
class ReplayBody(TypedDict):
    """A rule set, and from when on to hold past traffic against it."""

    rules: list[Rule]
    since: NotRequired[str | None]


@exactly
class RuleChangeAnswer(TypedDict):
    """What differs between two rule sets."""

    rule: str
    kind: str
    key: str | None
    before: Any
    after: Any


@exactly
class RuleSetAnswer(TypedDict):
    """The rules in force; version 0 where there has been none."""

    version: int
    rules: list[dict[str, Any]]
    author: NotRequired[str]
    created: NotRequired[str]
    comment: NotRequired[str]
    sha256: NotRequired[str]


@exactly
class OldRuleSetAnswer(RuleSetAnswer):
    """One that was, or is, in force, with what it changed, in words."""

    changes: list[str]


@exactly
class ChangedRulesAnswer(TypedDict):
    """What became of a change."""

    changed: bool
    problems: list[ProblemAnswer]
    version: NotRequired[int]
    rules: NotRequired[list[dict[str, Any]]]
    author: NotRequired[str]
    created: NotRequired[str]
    comment: NotRequired[str]
    sha256: NotRequired[str]
    diff: NotRequired[list[RuleChangeAnswer]]


@exactly
class FateChangeAnswer(TypedDict):
    """A past series that would change fate."""

    study_instance_uid: str
    series_instance_uid: str
    received: str
    before: list[str]
    after: list[str]
    why: str


@exactly
class ReplayAnswer(TypedDict):
    """Past traffic under another rule set; `table` is the same for a terminal."""

    studies: int
    series: int
    changed: int
    changes: list[FateChangeAnswer]
    table: str
