"""What becomes of one series, rule by rule, in words and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from plugin.routing.condition_trace import ConditionTrace
from plugin.routing.rule import Rule

Fate = Literal[
    "runs",
    "waits",
    "other-series-preferred",
    "not-this-series",
    "gave-up",
    "stopped",
    "fallback-not-needed",
    "does-not-apply",
    "disabled",
]

WORDS: MappingProxyType[Fate, str] = MappingProxyType(
    {
        "runs": "rule applies",
        "waits": "rule applies, but waits",
        "other-series-preferred": "rule applies, but another series is preferred",
        "not-this-series": "rule applies, but this series is not the one",
        "gave-up": "rule applies, but has waited long enough",
        "stopped": "rule is not considered",
        "fallback-not-needed": "rule is a fallback and not needed",
        "does-not-apply": "rule does not apply",
        "disabled": "rule is disabled",
    }
)
NEAREST_FIRST: tuple[Fate, ...] = (
    "waits",
    "gave-up",
    "other-series-preferred",
    "not-this-series",
    "does-not-apply",
    "stopped",
    "fallback-not-needed",
    "disabled",
)
SUMMED_UP = 3


@dataclass(frozen=True, slots=True)
class Wait:
    """A rule that would fire, were it not for something that may still come."""

    rule: str
    missing: tuple[str, ...]
    """Names of the series it waits for; empty where it only waits for the study to be quiet."""
    until: datetime
    """When the series is to be routed again, if nothing has come before."""
    then: Literal["run", "skip"]


class RuleVerdict(NamedTuple):
    """One rule on one series."""

    rule: str
    matched: bool
    conditions: tuple[ConditionTrace, ...]
    fate: Fate
    detail: str
    """The reason without the words for the fate: `wants Modality Equals CT, saw MR`."""
    inputs: tuple[tuple[str, str], ...] = ()
    """Input's name and the Series Instance UID it takes; empty for a pipeline with one input."""
    not_before: datetime | None = None
    """The earliest start by the rule's schedule; None for at once."""
    wait: Wait | None = None

    @property
    def reason(self) -> str:
        """`rule does not apply: wants Modality Equals CT, saw MR`."""
        return f"{WORDS[self.fate]}: {self.detail}" if self.detail else WORDS[self.fate]

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "matched": self.matched,
            "fate": self.fate,
            "reason": self.reason,
            "conditions": [trace.as_json() for trace in self.conditions],
            "inputs": dict(self.inputs),
            "not_before": self.not_before.isoformat() if self.not_before else None,
            "waits_until": self.wait.until.isoformat() if self.wait else None,
        }


@dataclass(frozen=True, slots=True)
class Routing:
    """Every rule's verdict on one series, in the order of the rules, and the rules that run."""

    decisions: tuple[RuleVerdict, ...]
    chosen: tuple[Rule, ...]
    summary: str
    series_instance_uid: str = ""

    def verdict(self, rule: str) -> RuleVerdict:
        """The verdict of the rule of that name. Raises KeyError where there is none."""
        for decision in self.decisions:
            if decision.rule == rule:
                return decision
        raise KeyError(rule)

    @property
    def waits(self) -> tuple[Wait, ...]:
        return tuple(decision.wait for decision in self.decisions if decision.wait)

    def as_json(self) -> dict[str, Any]:
        """What is kept with the study's record and shown by explain."""
        return {
            "series_instance_uid": self.series_instance_uid,
            "summary": self.summary,
            "matched": [rule.name for rule in self.chosen],
            "decisions": [decision.as_json() for decision in self.decisions],
        }


def sum_up(decisions: tuple[RuleVerdict, ...]) -> str:
    """One line: which rules matched, or why the nearest ones did not."""
    matched = [decision.rule for decision in decisions if decision.matched]
    if matched:
        names = ", ".join(repr(name) for name in matched)
        return f"rule {names} matched" if len(matched) == 1 else f"rules {names} matched"
    if not decisions:
        return "no rule matched: there are no rules"
    nearest = sorted(decisions, key=lambda decision: NEAREST_FIRST.index(decision.fate))
    told = "; ".join(_why_not(decision) for decision in nearest[:SUMMED_UP])
    more = len(decisions) - SUMMED_UP
    yet = " yet" if any(decision.fate == "waits" for decision in decisions) else ""
    return f"no rule matched{yet}: {told}" + (f"; and {more} more did not" if more > 0 else "")


def _why_not(decision: RuleVerdict) -> str:
    return f"rule {decision.rule!r} {decision.detail or WORDS[decision.fate]}"
