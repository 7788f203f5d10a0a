"""docs/rules.md is the input: each JSON example is loaded and run on the table that follows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.routing.attributes import NODE_ATTRIBUTES
from plugin.routing.completeness import CompletenessRules, completeness, policy_for
from plugin.routing.facts import SeriesFacts
from plugin.routing.parse_condition import OPERATORS
from plugin.routing.route import route
from plugin.routing.rule import Completeness, Rule, SeriesChoice, WaitFor
from plugin.routing.schedule import Schedule
from plugin.routing.typed_values import facts_from_values
from plugin.routing.validate import check_rules, rules_from_json
from plugin.routing.verdict import WORDS as FATES

DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"
PIPELINES = ("ct-denoise", "mr-denoise", "mr-t1-to-t2")
RECEIVED = datetime(2026, 11, 18, 12, 0)
WORDS = ("study", "series", "runs", "because", "after", "starts", "quiet", "complete")


@dataclass(frozen=True)
class Example:
    line: int
    source: str
    rows: tuple[dict[str, str], ...]


def cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip()[1:-1])
    return [part.replace("\\|", "|").strip().strip("`") for part in parts]


def examples() -> Iterator[Example]:
    text = DOCUMENT.read_text()
    for found in re.finditer(r"```json\n(.*?)```\n+((?:\|[^\n]*\n)*)", text, re.DOTALL):
        header, _, *rows = [cells(line) for line in found[2].splitlines()] or [[], []]
        line = text[: found.start()].count("\n") + 1
        yield Example(line, found[1], tuple(dict(zip(header, row, strict=True)) for row in rows))


def facts_of(row: dict[str, str]) -> SeriesFacts:
    values: dict[str, Any] = {name: value for name, value in row.items() if name not in WORDS and value}
    facts = facts_from_values(values, received=RECEIVED)
    return replace(
        facts, study_instance_uid=row.get("study", row["series"]), series_instance_uid=row["series"]
    )


EXAMPLES = tuple(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line-{example.line}")
def test_an_example_does_what_the_document_says(example: Example) -> None:
    rules_json = json.loads(example.source)
    problems = check_rules(rules_json, pipelines=PIPELINES, destinations=("PACS",))
    assert [problem for problem in problems if problem.severity == "error"] == []
    rules = rules_from_json(rules_json)
    assert example.rows, "an example without a table of series proves nothing"
    assert [rule.as_json() for rule in rules_from_json([rule.as_json() for rule in rules])] == [
        rule.as_json() for rule in rules
    ]
    known = [facts_of(row) for row in example.rows]
    for row, facts in zip(example.rows, known, strict=True):
        study = [other for other in known if other.study_instance_uid == facts.study_instance_uid]
        told = f"{fate_told(row, facts, rules, study)}\n{completeness_told(row, facts, rules, study)}"
        assert row["because"] in told, row["series"]


def fate_told(
    row: dict[str, str], facts: SeriesFacts, rules: tuple[Rule, ...], study: list[SeriesFacts]
) -> str:
    """The explanation of the series, after its columns `runs` and `starts` were found true."""
    now = facts.received + timedelta(seconds=float(row.get("after", 0)))
    routing = route(facts, rules, study, now=now)
    runs = ", ".join(rule.name for rule in routing.chosen) or "nothing"
    assert runs == row["runs"], f"{row['series']}: {routing.summary}"
    if "starts" in row:
        starts = [
            f"{one.not_before:%Y-%m-%d %H:%M}" if one.not_before else "at once" for one in routing.decisions
        ]
        assert starts == [row["starts"]]
    return "\n".join([routing.summary, *(decision.reason for decision in routing.decisions)])


def completeness_told(
    row: dict[str, str], facts: SeriesFacts, rules: tuple[Rule, ...], study: list[SeriesFacts]
) -> str:
    """Why the series is or is not complete after so many quiet seconds, where the table has them."""
    if "quiet" not in row:
        return ""
    policy = policy_for(facts, rules, CompletenessRules())
    now = facts.received + timedelta(seconds=float(row["quiet"]))
    state = completeness(policy, facts, last_instance=facts.received, now=now, study=study)
    assert row["complete"] == ("yes" if state.complete else "no"), row["series"]
    return state.reason


def test_the_document_has_an_example_under_every_section_that_shows_json() -> None:
    fences = DOCUMENT.read_text().count("```json")
    assert fences == len(EXAMPLES) >= 12


def test_the_document_names_every_key_of_a_rule() -> None:
    text = DOCUMENT.read_text()
    models = (Rule, SeriesChoice, WaitFor, Completeness, Schedule)
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()} - {
        "Condition"
    }
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_the_document_names_every_attribute_of_the_node_every_operator_and_every_fate() -> None:
    text = DOCUMENT.read_text()
    assert {name for name in (*NODE_ATTRIBUTES, *OPERATORS, *FATES) if f"`{name}`" not in text} == set()
