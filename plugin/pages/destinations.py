"""Destinations: how each is, asked on demand; read, check, change, go back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.errors import OrthogenError
from plugin.author import author_of
from plugin.delivery.destination_book import WantedDestinations
from plugin.delivery.overview import shown_destinations
from plugin.pages.form import fields
from plugin.pages.page import page
from plugin.parts import Parts
from plugin.rest_destinations import asked, change_destinations
from plugin.rest_errors import Unacceptable
from plugin.routing.problems import Problem

HISTORY_SHOWN = 30


@dataclass(frozen=True)
class Outcome:
    """What became of an echo, a check or a change."""

    title: str = ""
    good: bool = True
    problems: tuple[Problem, ...] = ()
    refusal: OrthogenError | None = None


NOTHING = Outcome()


def destinations_page(parts: Parts, _request: Request) -> Response:
    return show_destinations(parts, {}, NOTHING)


def echo_page(parts: Parts, request: Request) -> Response:
    """A harmless question to one destination."""
    name = fields(request).get("name", "")

    def echoed() -> Outcome:
        echo = asked(parts, name)
        return Outcome(f"{name} answered {echo.status} in {echo.seconds:.2f} s")

    return show_destinations(parts, {}, _or_refusal(echoed, f"{name} does not answer as it should"))


def check_destinations(parts: Parts, request: Request) -> Response:
    """What is wrong with the destinations in the editor."""
    form = fields(request)

    def checked() -> Outcome:
        problems = tuple(parts.destinations.problems_of(destinations_typed(form)))
        return _outcome(problems, "Nothing speaks against these destinations")

    return show_destinations(parts, form, _or_refusal(checked))


def save_destinations(parts: Parts, request: Request) -> Response:
    """Puts the destinations in the editor in force, if nothing speaks against them."""
    form = fields(request)
    based_on = form.get("based_on", "")
    number = int(based_on) if based_on.isdecimal() else None

    def saved() -> Outcome:
        written, comment = destinations_typed(form), form.get("comment", "")
        return put_in_force(parts, WantedDestinations(written, author_of(request), comment, number))

    outcome = _or_refusal(saved)
    return show_destinations(parts, {} if outcome.good else form, outcome)


def roll_back_to(parts: Parts, request: Request) -> Response:
    """An earlier set once more."""
    typed = fields(request).get("version", "")
    number = int(typed) if typed.isdecimal() else 0

    def rolled_back() -> Outcome:
        earlier = parts.destinations.version(number)
        comment = f"back to version {number}"
        return put_in_force(parts, WantedDestinations(earlier.written, author_of(request), comment))

    return show_destinations(parts, {}, _or_refusal(rolled_back))


def put_in_force(parts: Parts, wanted: WantedDestinations) -> Outcome:
    problems = tuple(change_destinations(parts, wanted))
    return _outcome(problems, f"Version {parts.destinations.in_force().number} is in force")


def show_destinations(parts: Parts, form: Mapping[str, str], outcome: Outcome) -> Response:
    """The page; the editor keeps what was typed."""
    in_force = parts.destinations.in_force()
    written = json.dumps(in_force.as_json()["destinations"], indent=2, ensure_ascii=False)
    return page(
        "destinations.html",
        status=200 if outcome.good else 422,
        destinations=shown_destinations(parts.ledger, parts.destinations),
        text=form.get("destinations", written),
        based_on=form.get("based_on", in_force.number),
        in_force=in_force.as_json() if in_force.number else None,
        comment=form.get("comment", ""),
        outcome=outcome,
        history=[version.as_json() for version in parts.destinations.history()[:HISTORY_SHOWN]],
    )


def destinations_typed(form: Mapping[str, str]) -> dict[str, Any]:
    """The editor's text as JSON; the place of a mistake is named."""
    try:
        typed = json.loads(form.get("destinations", ""))
    except ValueError as error:
        raise Unacceptable(f"the destinations are not JSON: {error}", remedy="mend the text there") from None
    if not isinstance(typed, dict):
        raise Unacceptable("the destinations are no JSON object", remedy='write {"NAME": { ... }}')
    return typed


def _outcome(problems: tuple[Problem, ...], good: str) -> Outcome:
    if problems:
        return Outcome("Refused; the destinations in force stay", good=False, problems=problems)
    return Outcome(good)


def _or_refusal(attempt: Callable[[], Outcome], title: str = "Refused") -> Outcome:
    try:
        return attempt()
    except OrthogenError as refusal:
        return Outcome(title, good=False, refusal=refusal)
