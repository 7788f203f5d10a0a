"""Rules: read, check, try, change, go back. Nothing here runs a job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.errors import OrthogenError
from plugin.author import author_of
from plugin.pages.form import fields
from plugin.pages.page import page
from plugin.pages.tried import tried_series
from plugin.parts import Parts
from plugin.rest_errors import Unacceptable
from plugin.rest_rules import list_versions
from plugin.routing.problems import Problem
from plugin.routing.route import route_study
from plugin.routing.rule import Rule
from plugin.routing.validate import check_rules, rules_from_json
from plugin.routing.versions import Proposal, differences
from plugin.rule_book import Change

HISTORY_SHOWN = 30


@dataclass(frozen=True)
class Outcome:
    """What became of a check, a dry run or a change."""

    title: str = ""
    good: bool = True
    problems: tuple[Problem, ...] = ()
    changes: tuple[str, ...] = ()
    routings: tuple[dict[str, Any], ...] = ()
    refusal: OrthogenError | None = None


NOTHING = Outcome()


def rules_page(parts: Parts, request: Request) -> Response:
    return show_rules(parts, request, {}, NOTHING)


def check_page(parts: Parts, request: Request) -> Response:
    """What is wrong with the rules in the editor, and what they would change."""
    form = fields(request)
    return show_rules(parts, request, form, _or_refusal(lambda: checked(parts, form)))


def try_page(parts: Parts, request: Request) -> Response:
    """A dry run of the rules in the editor."""
    form = fields(request)
    return show_rules(parts, request, form, _or_refusal(lambda: tried(parts, form)))


def change_rules(parts: Parts, request: Request) -> Response:
    """Puts the rules in the editor in force, if nothing speaks against them."""
    form = fields(request)
    outcome = _or_refusal(lambda: saved(parts, form, author_of(request)))
    return show_rules(parts, request, {} if outcome.good else form, outcome)


def roll_back_rules(parts: Parts, request: Request) -> Response:
    """An earlier version's rules once more."""
    typed = fields(request).get("version", "")
    number = int(typed) if typed.isdecimal() else 0
    outcome = _or_refusal(
        lambda: proposal_outcome(parts.reception.rule_book.roll_back(number, author_of(request)))
    )
    return show_rules(parts, request, {}, outcome)


def show_rules(parts: Parts, request: Request, form: Mapping[str, str], outcome: Outcome) -> Response:
    """The page; the editor keeps what was typed."""
    version = parts.reception.rule_book.in_force()
    return page(
        "rules.html",
        status=200 if outcome.good else 422,
        rules_text=form.get("rules", written_rules(version.rules_json if version else [])),
        based_on=form.get("based_on", version.number if version else 0),
        in_force=version.as_json() if version else None,
        form=form,
        outcome=outcome,
        history=list_versions(parts, request)[:HISTORY_SHOWN],
    )


def written_rules(rules: list[dict[str, Any]]) -> str:
    """A rule's keys in the order of the documentation, one a line."""
    order = [field.alias for field in Rule.model_fields.values()]
    written = []
    for rule in rules:
        keys = sorted(rule, key=lambda key: order.index(key) if key in order else len(order))
        lines = [f"    {json.dumps(key)}: {json.dumps(rule[key], ensure_ascii=False)}" for key in keys]
        written.append("  {\n" + ",\n".join(lines) + "\n  }")
    return "[\n" + ",\n".join(written) + "\n]" if written else "[]"


def checked(parts: Parts, form: Mapping[str, str]) -> Outcome:
    rules = rules_typed(form)
    problems = problems_of(parts, rules)
    if has_error(problems):
        return Outcome("These rules cannot come into force", good=False, problems=problems)
    version = parts.reception.rule_book.in_force()
    changes = tuple(str(change) for change in differences(version.rules_json if version else [], rules))
    return Outcome("Nothing speaks against these rules", problems=problems, changes=changes)


def tried(parts: Parts, form: Mapping[str, str]) -> Outcome:
    rules = rules_typed(form)
    problems = problems_of(parts, rules)
    if has_error(problems):
        return Outcome("These rules cannot be tried", good=False, problems=problems)
    described = rules_from_json(rules)
    routings = route_study(tried_series(parts, form, described), described)
    return Outcome("Dry run: nothing was run", routings=tuple(each.as_json() for each in routings))


def saved(parts: Parts, form: Mapping[str, str], author: str) -> Outcome:
    based_on = form.get("based_on", "")
    change = Change(
        rules_typed(form), author, form.get("comment", ""), int(based_on) if based_on.isdecimal() else None
    )
    return proposal_outcome(parts.reception.rule_book.change(change))


def proposal_outcome(proposal: Proposal) -> Outcome:
    if has_error(proposal.problems):
        return Outcome("Refused; the rules in force stay", good=False, problems=proposal.problems)
    if proposal.version is None:
        return Outcome("These rules are in force already", problems=proposal.problems)
    return Outcome(f"Version {proposal.version.number} is in force", problems=proposal.problems)


def rules_typed(form: Mapping[str, str]) -> Any:
    """The editor's text as JSON; the place of a mistake is named."""
    try:
        return json.loads(form.get("rules", ""))
    except ValueError as error:
        raise Unacceptable(f"the rules are not JSON: {error}", remedy="mend the text there") from None


def problems_of(parts: Parts, rules: Any) -> tuple[Problem, ...]:
    manifests = {entry.manifest.name: entry.manifest for entry in parts.catalog}
    destinations = list(parts.destinations.destinations())
    return tuple(check_rules(rules, pipelines=manifests, destinations=destinations))


def has_error(problems: tuple[Problem, ...]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _or_refusal(attempt: Callable[[], Outcome]) -> Outcome:
    try:
        return attempt()
    except OrthogenError as refusal:
        return Outcome("Refused", good=False, refusal=refusal)
