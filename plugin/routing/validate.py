"""Is this a configuration to work with? Every mistake at once, each with its key and what would be right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipelines.errors import ConfigurationError
from plugin.routing.check_rule import check_rule
from plugin.routing.problems import Problem, did_you_mean, either, join_path
from plugin.routing.reachable import check_reachable
from plugin.routing.rule import Completeness, Rule, WaitFor
from plugin.routing.schedule import Schedule

MODELS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {"": Rule, "Schedule": Schedule, "WaitFor": WaitFor, "Completeness": Completeness}
)

EXPECTED = MappingProxyType(
    {
        "string_type": "text",
        "tuple_type": "list",
        "dict_type": "object",
        "mapping_type": "object",
        "model_type": "object with keys such as Name, When and Pipeline",
        "bool_type": "choice of true or false",
        "bool_parsing": "choice of true or false",
        "float_type": "number",
        "float_parsing": "number",
    }
)
"""Pydantic's types of error to what is expected instead."""


def check_rules(
    rules_json: Any,
    *,
    pipelines: Mapping[str, object] | Collection[str] | None,
    destinations: Collection[str],
) -> list[Problem]:
    """All problems of a list of rules as read from JSON; none of severity "error": they can be loaded.

    `pipelines`: names, or names to manifests, which are then held against what the rules select; None where
    they could not be loaded, so that nothing is said about them.
    """
    problems, rules = _read_all(rules_json)
    for place, rule in rules.items():
        found = check_rule(rule, pipelines=pipelines, destinations=destinations)
        problems += [problem.under(f"Rules[{place}]") for problem in found]
    problems += _check_names(rules)
    problems += check_reachable(rules)
    return sorted(problems, key=_by_place)


def rules_from_json(rules_json: Any) -> tuple[Rule, ...]:
    """The rules, in order. Raises ConfigurationError with every mistake in their form."""
    problems, rules = _read_all(rules_json)
    if problems:
        raise ConfigurationError("\n".join(str(problem) for problem in problems))
    return tuple(rules.values())


def _read_all(rules_json: Any) -> tuple[list[Problem], dict[int, Rule]]:
    if not isinstance(rules_json, Sequence) or isinstance(rules_json, str):
        return [Problem("Rules", f"{type(rules_json).__name__} is no list", "a list of rules")], {}
    problems: list[Problem] = []
    rules: dict[int, Rule] = {}
    for place, source in enumerate(rules_json):
        try:
            rules[place] = Rule.model_validate(source, by_alias=True, by_name=False)
        except ValidationError as wrong:
            for error in wrong.errors():
                problems += [problem.under(f"Rules[{place}]") for problem in _told(error)]
    return problems, rules


def _told(error: ErrorDetails) -> Iterator[Problem]:
    """One of pydantic's findings in our words."""
    steps = [step for step in error["loc"] if step not in ("Condition", "condition")]
    path = ""
    for step in steps:
        path = join_path(path, f"[{step}]" if isinstance(step, int) else step)
    context = error.get("ctx", {})
    match error["type"]:
        case "condition":
            yield from (problem.under(path) for problem in context["problems"])
        case "extra_forbidden":
            yield _unknown_key(path, steps)
        case "missing":
            yield Problem(path, "is missing", "must be given")
        case "literal_error":
            yield Problem(path, f"{error['input']!r} is not known", f"allowed: {context['expected']}")
        case kind if kind in EXPECTED:
            yield Problem(
                path, f"{_short(error['input'])} is no {EXPECTED[kind]}", f"allowed is a {EXPECTED[kind]}"
            )
        case _:
            yield Problem(path, _said(error), str(context.get("allowed", f"not {_short(error['input'])}")))


def _unknown_key(path: str, steps: Sequence[Any]) -> Problem:
    model = MODELS.get(".".join(str(step) for step in steps[:-1]), Rule)
    known = [field.alias or name for name, field in model.model_fields.items()]
    near = did_you_mean(str(steps[-1]), known)
    return Problem(path, f"there is no key {steps[-1]!r}", near or f"allowed: {either(known)}")


def _said(error: ErrorDetails) -> str:
    return error["msg"][:1].lower() + error["msg"][1:]


def _short(source: Any) -> str:
    text = repr(source)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_names(rules: Mapping[int, Rule]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for place, rule in rules.items():
        if rule.name in first:
            what = f"{rule.name!r} is also the name of Rules[{first[rule.name]}]"
            yield Problem(f"Rules[{place}].Name", what, "give each rule a name of its own")
        first.setdefault(rule.name, place)


def _by_place(problem: Problem) -> tuple[int, str]:
    digits = problem.path.removeprefix("Rules[").partition("]")[0]
    return (int(digits) if digits.isdigit() else -1, problem.path)
