"""What the rules that matched ask for, taken together: a pipeline runs once on the same series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from plugin.routing.rule import Companion, Mode, OnHold, OutputForm, Priority, Rule
from plugin.routing.verdict import Routing, RuleVerdict

MOST_URGENT_FIRST: tuple[Priority, ...] = get_args(Priority)
MOST_CAREFUL_FIRST: tuple[OnHold, ...] = ("keep", "drop", "release")
"""Keeping loses nothing and sends nothing."""


@dataclass(frozen=True)
class Order:
    """One run of a pipeline."""

    pipeline: str
    rules: tuple[str, ...]
    """The rules that ask for it, in their order."""
    mode: Mode
    priority: Priority
    on_hold: OnHold
    send_to: tuple[str, ...]
    companions: tuple[Companion, ...]
    inputs: tuple[tuple[str, str], ...]
    """Input's name and the Series Instance UID it takes; empty for a pipeline with one input."""
    not_before: datetime | None
    output: OutputForm = "classic"
    gate: Mapping[str, Any] = field(default_factory=dict)
    """Limits of the quality gate that the rules name, by their keys in JSON."""

    def __str__(self) -> str:
        """`ct-denoise (shadow, stat, to PACS)`; what is usual goes without saying."""
        usual = (self.mode, "live"), (self.priority, "routine"), (self.on_hold, "keep")
        marks: list[str] = [mark for mark, unsaid in usual if mark != unsaid]
        marks += [f"to {name}" for name in self.send_to]
        marks += [self.output] if self.output != "classic" else []
        marks += ["limits of its own"] if self.gate else []
        marks += [f"not before {self.not_before:%H:%M}"] if self.not_before else []
        marks += [f"{name} = {uid}" for name, uid in self.inputs]
        return f"{self.pipeline} ({', '.join(marks)})" if marks else self.pipeline


def orders(routing: Routing) -> tuple[Order, ...]:
    """One order for each pipeline and its inputs, in the order of the rules.

    Several live rules: the most urgent priority, the earliest start, every destination, the most careful
    handling of a held result, and of a limit of the gate that several name the first rule's. A shadow rule
    adds nothing where a live one asks for the same.
    """
    matched = [verdict for verdict in routing.decisions if verdict.matched]
    pairs = list(zip(routing.chosen, matched, strict=True))
    runs = dict.fromkeys((rule.pipeline, verdict.inputs) for rule, verdict in pairs)
    return tuple(
        _order([pair for pair in pairs if (pair[0].pipeline, pair[1].inputs) == run]) for run in runs
    )


def _order(pairs: Sequence[tuple[Rule, RuleVerdict]]) -> Order:
    """`pairs`: all for the same pipeline and inputs."""
    live = [pair for pair in pairs if pair[0].mode == "live"]
    asked = live or pairs
    rules = [rule for rule, _ in asked]
    starts = [verdict.not_before for _, verdict in asked]
    later = [start for start in starts if start is not None]
    destinations = dict.fromkeys(name for rule, _ in live for name in rule.send_to)
    return Order(
        pipeline=rules[0].pipeline,
        rules=tuple(rule.name for rule in rules),
        mode=rules[0].mode,
        priority=min((rule.priority for rule in rules), key=MOST_URGENT_FIRST.index),
        on_hold=min((rule.on_hold for rule in rules), key=MOST_CAREFUL_FIRST.index),
        send_to=tuple(destinations),
        companions=tuple(dict.fromkeys(name for rule in rules for name in rule.companions)),
        inputs=asked[0][1].inputs,
        gate=_limits(rules),
        output="enhanced" if any(rule.output == "enhanced" for rule in rules) else "classic",
        not_before=min(later, key=datetime.timestamp) if len(later) == len(starts) else None,
    )


def _limits(rules: Sequence[Rule]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for rule in reversed(rules):
        named |= limits_of(rule)
    return named


def limits_of(rule: Rule) -> dict[str, Any]:
    """The limits of the gate that a rule names, as JSON has them."""
    return rule.gate.model_dump(mode="json", by_alias=True, exclude_unset=True) if rule.gate else {}
