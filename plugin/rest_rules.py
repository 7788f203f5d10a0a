"""Rules over HTTP: read, change, go back, try on something, hold against past traffic."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dicom_templates.source import read_header
from plugin.author import author_of
from plugin.describe import describe, described_file
from plugin.parts import Parts
from plugin.people import UID
from plugin.rest_errors import NotFound, PlainJSONResponse, Unacceptable, as_json
from plugin.routing.facts import SeriesFacts
from plugin.routing.problems import Problem
from plugin.routing.replay import replay
from plugin.routing.route import route_study
from plugin.routing.rule import Rule
from plugin.routing.typed_values import facts_from_values
from plugin.routing.validate import check_rules, rules_from_json
from plugin.routing.verdict import Routing
from plugin.routing.versions import Proposal, differences
from plugin.rule_book import Change
from plugin.traffic import since

TRIED_ON = ("values", "study_instance_uid", "series_instance_uid")


def get_rules(parts: Parts, _request: Request) -> dict[str, Any]:
    """The rules in force, as the configuration would have them, with who put them there."""
    version = parts.reception.rule_book.in_force()
    return version.as_json() if version else {"version": 0, "rules": []}


def put_rules(parts: Parts, request: Request) -> Response:
    """A whole rule set; it comes into force only if nothing speaks against it."""
    body = rules_body(request)
    author = author_of(request)
    before = parts.reception.rule_book.in_force()
    change = Change(body["rules"], author, str(body.get("comment", "")), body.get("based_on"))
    proposal = parts.reception.rule_book.change(change)
    return answer(proposal, before.rules_json if before else [])


def answer(proposal: Proposal, before: list[dict[str, Any]]) -> Response:
    problems = [shown_problem(problem) for problem in proposal.problems]
    if any(problem.severity == "error" for problem in proposal.problems):
        first = next(problem for problem in proposal.problems if problem.severity == "error")
        error = {"error": "refused", "detail": f"{first.path}: {first.what}", "remedy": first.allowed}
        return PlainJSONResponse({**error, "problems": problems}, status_code=422)
    version = proposal.version
    if version is None:
        return PlainJSONResponse({"changed": False, "problems": problems})
    diff = [change.as_json() for change in differences(before, version.rules_json)]
    return PlainJSONResponse({"changed": True, **version.as_json(), "diff": diff, "problems": problems})


def list_versions(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    """Every rule set that was in force, the latest first, each with what it changed."""
    before: list[dict[str, Any]] = []
    found = []
    for version in parts.reception.rule_book.history():
        changes = [str(change) for change in differences(before, version.rules_json)]
        found.append({**version.as_json(), "changes": changes})
        before = version.rules_json
    return found[::-1]


def roll_back(parts: Parts, request: Request) -> Response:
    """An earlier rule set once more, as a new version."""
    number = as_json(request).get("version")
    if not isinstance(number, int):
        raise Unacceptable("version is missing", remedy='send {"version": N}; GET /rules/versions lists them')
    before = parts.reception.rule_book.in_force()
    author = author_of(request)
    return answer(parts.reception.rule_book.roll_back(number, author), before.rules_json if before else [])


def dry_run(parts: Parts, request: Request) -> dict[str, Any]:
    """Which rules would match, and why; runs nothing.

    Tried on a stored study or series, on typed values, or on a DICOM file that is the request's body
    (Content-Type application/dicom). `rules` may hold another rule set than the one in force.
    """
    if request.headers.get("content-type", "").startswith("application/dicom"):
        rules = parts.reception.rule_book.rules()
        study = [described_file(read_header(request.state.body))]
    else:
        body = as_json(request)
        rules = proposed_rules(parts, body)
        study = tried_on(parts, body, rules)
    return {"series": [shown_routing(routing) for routing in route_study(study, rules)]}


def proposed_rules(parts: Parts, body: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rule set in the body, or the one in force."""
    if "rules" not in body:
        return parts.reception.rule_book.rules()
    manifests = {entry.manifest.name: entry.manifest for entry in parts.catalog}
    destinations = list(parts.destinations.destinations())
    for problem in check_rules(body["rules"], pipelines=manifests, destinations=destinations):
        if problem.severity == "error":
            raise Unacceptable(f"{problem.path}: {problem.what}", remedy=problem.allowed)
    return rules_from_json(body["rules"])


def tried_on(parts: Parts, body: Mapping[str, Any], rules: Sequence[Rule]) -> list[SeriesFacts]:
    if "values" in body:
        if not isinstance(body["values"], dict) or None in body["values"].values():
            raise Unacceptable("values is no object of texts and numbers", remedy='{"Modality": "CT", ...}')
        return [facts_from_values(body["values"], received=datetime.now().astimezone())]
    orthanc = parts.reception.orthanc
    for name in TRIED_ON[1:]:
        if name in body and not UID.fullmatch(str(body[name])):
            raise Unacceptable(f"{name} is no UID", remedy="digits and dots, at most 64 (PS3.5 9.1)")
    if "series_instance_uid" in body:
        found = orthanc.find_series(str(body["series_instance_uid"]))
        series = [found] if found else []
    elif "study_instance_uid" in body:
        series = orthanc.series_of_study(str(body["study_instance_uid"]))
    else:
        raise Unacceptable(
            "there is nothing to try the rules on", remedy="send one of " + ", ".join(TRIED_ON)
        )
    if not series:
        raise NotFound("Orthanc has no such study or series", remedy="send it first, or try typed values")
    return [describe(orthanc, series_orthanc_id, rules).facts for series_orthanc_id in series]


def replay_rules(parts: Parts, request: Request) -> dict[str, Any]:
    """Which past series would change fate under another rule set; runs nothing."""
    body = as_json(request)
    if "rules" not in body:
        raise Unacceptable("rules is missing", remedy='send {"rules": [...], "since": "2026-01-31"}')
    after = proposed_rules(parts, body)
    past = since(parts.ledger.engine, moment_of(body.get("since")))
    outcome = replay(past, parts.reception.rule_book.rules(), after)
    return {**outcome.as_json(), "table": outcome.table()}


def moment_of(text: object) -> float:
    """ISO 8601, local time where no zone is named; everything where nothing is said."""
    if text is None:
        return 0.0
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        example = time.strftime("%Y-%m-%dT%H:%M")
        raise Unacceptable(f"since {text!r} is no time", remedy=f"ISO 8601, e.g. {example}") from None


def rules_body(request: Request) -> dict[str, Any]:
    """A list of rules, or an object with `rules` (or `Rules`, as in the configuration)."""
    body = as_json(request, allow_list=True)
    if isinstance(body, list):
        return {"rules": body}
    rules = body.get("rules", body.get("Rules"))
    if rules is None:
        raise Unacceptable("rules is missing", remedy='send {"rules": [...]}')
    return {**body, "rules": rules}


def shown_routing(routing: Routing) -> dict[str, Any]:
    return dict(routing.as_json())


def shown_problem(problem: Problem) -> dict[str, str]:
    return {
        "path": problem.path,
        "what": problem.what,
        "allowed": problem.allowed,
        "severity": problem.severity,
    }
