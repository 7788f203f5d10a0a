"""Rule sets over time: who changed what, when, and back again. Storing them is the caller's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pipelines.errors import ConfigurationError
from plugin.routing.problems import Problem
from plugin.routing.rule import Rule
from plugin.routing.validate import check_rules, rules_from_json

Rules = list[dict[str, Any]]


@dataclass(frozen=True)
class RuleSetVersion:
    """One rule set that was, or is, in force."""

    number: int
    """From 1; the highest is in force."""
    author: str
    created: datetime
    comment: str
    rules_text: str
    """The rules as canonical JSON: equal texts are equal rule sets."""

    @property
    def rules_json(self) -> Rules:
        rules: Rules = json.loads(self.rules_text)
        return rules

    @property
    def rules(self) -> tuple[Rule, ...]:
        return rules_from_json(self.rules_json)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.rules_text.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.number,
            "author": self.author,
            "created": self.created.isoformat(),
            "comment": self.comment,
            "sha256": self.sha256,
            "rules": self.rules_json,
        }


@dataclass(frozen=True)
class Proposal:
    """What became of a changed rule set."""

    problems: tuple[Problem, ...]
    version: RuleSetVersion | None
    """The version to store and to put in force; None where an error speaks against it, or nothing changed."""


def propose(
    history: Sequence[RuleSetVersion],
    rules_json: Any,
    *,
    author: str,
    created: datetime,
    pipelines: Mapping[str, object] | Collection[str],
    destinations: Collection[str],
    comment: str = "",
    based_on: int | None = None,
) -> Proposal:
    """The next version, if the rules can be loaded: a bad change never replaces a good configuration.

    `based_on`: the version the author had before their eyes. Raises ConfigurationError where another has come
    into force since, so that nobody undoes a change they have not seen.
    """
    current = history[-1] if history else None
    if based_on is not None and based_on != (current.number if current else 0):
        in_force = f"version {current.number} of {current.author}" if current else "no version"
        raise ConfigurationError(
            f"the change is based on version {based_on}, but {in_force} is in force",
            remedy="load the rules in force and make the change again",
        )
    problems = tuple(check_rules(rules_json, pipelines=pipelines, destinations=destinations))
    if any(problem.severity == "error" for problem in problems):
        return Proposal(problems, None)
    text = canonical(rules_json)
    if current and text == current.rules_text:
        return Proposal(problems, None)
    number = current.number + 1 if current else 1
    return Proposal(problems, RuleSetVersion(number, author, created, comment, text))


def earlier_version(history: Sequence[RuleSetVersion], number: int) -> RuleSetVersion:
    """The version to roll back to: propose its rules again, and history keeps both changes.

    Raises ConfigurationError where there is none of that number.
    """
    for version in history:
        if version.number == number:
            return version
    kept = f"{history[0].number} to {history[-1].number}" if history else "none"
    raise ConfigurationError(f"there is no version {number} of the rules", remedy=f"kept are {kept}")


def canonical(rules_json: Any) -> str:
    """One text for one rule set: the order of keys does not count, that of the rules does."""
    return json.dumps(rules_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


ChangeKind = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True)
class RuleChange:
    """One difference between two rule sets."""

    rule: str
    kind: ChangeKind
    key: str
    """The rule's key that changed; empty for a whole rule."""
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.kind in ("added", "removed"):
            return f"{self.rule}: {self.kind}"
        subject = f"{self.rule}.{self.key}" if self.key else self.rule
        return f"{subject}: {self.kind}, {_written(self.before)} -> {_written(self.after)}"

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "kind": self.kind,
            "key": self.key,
            "before": self.before,
            "after": self.after,
        }


def differences(before: Rules, after: Rules) -> tuple[RuleChange, ...]:
    """What changed, rule by rule; rules are told apart by their names."""
    old, new = _by_name(before), _by_name(after)
    changes = [RuleChange(name, "removed", "", rule, None) for name, rule in old.items() if name not in new]
    changes += [RuleChange(name, "added", "", None, rule) for name, rule in new.items() if name not in old]
    kept_before = [name for name in old if name in new]
    kept_after = [name for name in new if name in old]
    for name in kept_after:
        here, there = kept_before.index(name) + 1, kept_after.index(name) + 1
        if here != there:
            changes.append(RuleChange(name, "moved", "", f"place {here}", f"place {there}"))
        changes += _changed_keys(name, old[name], new[name])
    return tuple(changes)


def _changed_keys(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[RuleChange]:
    keys = dict.fromkeys((*old, *new))
    return [
        RuleChange(name, "changed", key, old.get(key), new.get(key))
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _by_name(rules: Rules) -> dict[str, dict[str, Any]]:
    return {str(rule["Name"]): rule for rule in rules}


def _written(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
