"""Destinations over HTTP: read, change, remove, go back, ask how they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.author import author_of
from plugin.delivery.destination_book import WantedDestinations
from plugin.delivery.overview import shown_destinations
from plugin.delivery.transport import Echo
from plugin.delivery.ways import transport_to
from plugin.parts import Parts
from plugin.rest_errors import Conflict, NotFound, PlainJSONResponse, Unacceptable, as_json
from plugin.routing.problems import Problem


def list_destinations(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    """Each with its configuration, without secrets, and how it goes."""
    return shown_destinations(parts.ledger, parts.destinations)


def list_destination_versions(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    """Every set of destinations that was in force, the latest first, without secrets."""
    return [version.as_json() for version in parts.destinations.history()]


def put_destination(parts: Parts, request: Request) -> Response:
    """Adds or changes one; the body is what stands under its name in `Destinations`."""
    name = str(request.path_params["name"])
    written = {**parts.destinations.in_force().written, name: as_json(request)}
    return changed(parts, wanted(request, written))


def delete_destination(parts: Parts, request: Request) -> Response:
    """What was on its way there fails, and says why."""
    name = str(request.path_params["name"])
    present = require_known(parts, name)
    written = {other: one for other, one in present.items() if other != name}
    return changed(parts, wanted(request, written))


def roll_back_destinations(parts: Parts, request: Request) -> Response:
    """An earlier set once more, as a new version."""
    number = as_json(request).get("version")
    if not isinstance(number, int):
        raise Unacceptable(
            "version is missing", remedy='send {"version": N}; GET /destinations/versions lists them'
        )
    earlier = parts.destinations.version(number)
    comment = f"back to version {number}"
    return changed(parts, WantedDestinations(earlier.written, author_of(request), comment))


def echo_destination(parts: Parts, request: Request) -> dict[str, Any]:
    """A harmless question in its own protocol; when it is answered, what waits goes at once."""
    name = str(request.path_params["name"])
    return asked(parts, name).as_json(name)


def asked(parts: Parts, name: str) -> Echo:
    """Raises NotFound for a name that is not configured, PassingTrouble where nobody answers."""
    require_known(parts, name)
    destination = parts.destinations.destinations()[name]
    secrets = Path(parts.settings.secret_folder)
    echo = transport_to(name, destination, parts.called_ae_title, secrets).echo()
    with parts.ledger.transaction() as connection:
        parts.dispatch.hasten(connection, name)
    return echo


def wanted(request: Request, written: dict[str, Any]) -> WantedDestinations:
    """`comment` and `based_on` are in the address, since the body is the destination."""
    comment, based_on = request.query_params.get("comment", ""), request.query_params.get("based_on", "")
    number = int(based_on) if based_on.isdecimal() else None
    return WantedDestinations(written, author_of(request), comment, number)


def changed(parts: Parts, change: WantedDestinations) -> Response:
    """Puts it in force, or says what speaks against it."""
    before = parts.destinations.in_force().number
    problems = change_destinations(parts, change)
    if problems:
        shown = [{"path": one.path, "what": one.what, "allowed": one.allowed} for one in problems]
        first = problems[0]
        error = {"error": "refused", "detail": f"{first.path}: {first.what}", "remedy": first.allowed}
        return PlainJSONResponse({**error, "problems": shown}, status_code=422)
    after = parts.destinations.in_force()
    return PlainJSONResponse({"changed": after.number != before, **after.as_json()})


def change_destinations(parts: Parts, change: WantedDestinations) -> Sequence[Problem]:
    """What speaks against it; nothing, and the sender knows, if it is in force.

    Raises:
        Conflict: a rule in force sends to one that would be gone.
    """
    for rule in parts.reception.rule_book.rules():
        for name in rule.send_to:
            if name not in change.written and name in parts.destinations.destinations():
                raise Conflict(
                    f"rule {rule.name!r} sends to {name}", remedy="take it out of that rule's SendTo first"
                )
    problems = parts.destinations.change(change)
    if not problems:
        parts.dispatch.end_unconfigured(parts.destinations.destinations())
        parts.sender.wake()
    return problems


def require_known(parts: Parts, name: str) -> dict[str, Any]:
    """The destinations in force as they are written."""
    present = parts.destinations.in_force().written
    if name not in present:
        known = ", ".join(present) or "none is configured"
        raise NotFound(f"there is no destination {name!r}", remedy=f"one of: {known}")
    return present
