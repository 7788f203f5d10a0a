"""The node's HTTP interface, under /orthogen/. Only the door can reach it, so Orthanc's authentication is the
way in.

Every route of the API is in the list below, with what it takes and answers; docs/api.md and
/orthogen/api/openapi.json describe the same. A call that changes something needs the header `X-Orthogen: 1`,
which no cross-site form can send. Errors are JSON: error, detail, remedy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio.to_thread
from sqlalchemy.exc import IntegrityError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.errors import OrthogenError
from plugin import answers, rule_answers
from plugin.api_route import ApiRoute, delete, get, post, put
from plugin.delivery.destination import Destination
from plugin.metrics import get_metrics
from plugin.openapi import description
from plugin.parts import Parts
from plugin.rest import (
    cancel_job,
    explain,
    get_health,
    get_job,
    list_jobs,
    list_pipelines,
    post_job,
    reject_job,
    release_job,
    retry_job,
)
from plugin.rest_destinations import (
    delete_destination,
    echo_destination,
    list_destination_versions,
    list_destinations,
    put_destination,
    roll_back_destinations,
)
from plugin.rest_errors import (
    PlainJSONResponse,
    Unacceptable,
    on_clash,
    on_error,
    on_http_error,
    on_unexpected,
)
from plugin.rest_rules import dry_run, get_rules, list_versions, put_rules, replay_rules, roll_back
from plugin.routing.rule import Rule

JOBS_ASKED = {
    "study": "Study Instance UID",
    "series": "Series Instance UID of the source",
    "state": "one state",
    "since": "made since then; ISO 8601",
    "limit": "how many at most, 1 to 1000; 100 when left out",
}
CHANGE_ASKED = {"comment": "why", "based_on": "the version the author had before their eyes"}


def get_openapi(_parts: Parts, _request: Request) -> dict[str, Any]:
    """This description."""
    return description(API_ROUTES)


API_ROUTES: tuple[ApiRoute, ...] = (
    get(
        "/health", get_health, answers.HealthAnswer, answers={503: answers.HealthAnswer | answers.ErrorAnswer}
    ),
    get("/jobs", list_jobs, list[answers.JobAnswer], query=JOBS_ASKED),
    post("/jobs", post_job, answers.JobAnswer, body=answers.RunNowBody, status=201),
    get("/jobs/{id}", get_job, answers.JobAnswer),
    post("/jobs/{id}/cancel", cancel_job, answers.JobAnswer),
    post("/jobs/{id}/retry", retry_job, answers.JobAnswer),
    post("/jobs/{id}/release", release_job, answers.JobAnswer),
    post("/jobs/{id}/reject", reject_job, answers.JobAnswer),
    get("/explain", explain, answers.ExplainAnswer, query={"study": "Study Instance UID"}),
    get("/pipelines", list_pipelines, list[answers.PipelineAnswer]),
    get("/destinations", list_destinations, list[answers.DestinationAnswer]),
    get("/destinations/versions", list_destination_versions, list[answers.DestinationSetAnswer]),
    post(
        "/destinations/rollback",
        roll_back_destinations,
        answers.ChangedDestinationsAnswer,
        body=rule_answers.VersionBody,
    ),
    put(
        "/destinations/{name}",
        put_destination,
        answers.ChangedDestinationsAnswer,
        body=Destination,
        query=CHANGE_ASKED,
    ),
    delete("/destinations/{name}", delete_destination, answers.ChangedDestinationsAnswer, query=CHANGE_ASKED),
    post("/destinations/{name}/echo", echo_destination, answers.EchoAnswer),
    get("/rules", get_rules, rule_answers.RuleSetAnswer),
    put("/rules", put_rules, rule_answers.ChangedRulesAnswer, body=list[Rule] | rule_answers.RulesBody),
    get("/rules/versions", list_versions, list[rule_answers.OldRuleSetAnswer]),
    post("/rules/rollback", roll_back, rule_answers.ChangedRulesAnswer, body=rule_answers.VersionBody),
    post(
        "/rules/dry-run",
        dry_run,
        rule_answers.DryRunAnswer,
        body=rule_answers.DryRunBody,
        file="application/dicom",
    ),
    post("/rules/replay", replay_rules, rule_answers.ReplayAnswer, body=rule_answers.ReplayBody),
    get("/openapi.json", get_openapi, dict[str, Any]),
    get("/orthogen/metrics", get_metrics, "text/plain"),
)


def make_app(parts: Parts, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """The API's routes, and `pages`: those of the admin pages."""
    api = [Route(route.address, _called(parts, route), methods=[route.method]) for route in API_ROUTES]
    handlers: dict[Any, Any] = {
        HTTPException: on_http_error,
        OrthogenError: on_error,
        IntegrityError: on_clash,
        Exception: on_unexpected,
    }
    return Starlette(routes=[*api, *pages], exception_handlers=handlers)


def _called(parts: Parts, route: ApiRoute) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if route.changes and request.headers.get("x-orthogen") != "1":
            raise Unacceptable(
                "the header X-Orthogen: 1 is missing", remedy="send it with every call that changes something"
            )
        request.state.body = await request.body()
        answer = await anyio.to_thread.run_sync(route.handler, parts, request)
        return answer if isinstance(answer, Response) else PlainJSONResponse(answer)

    return endpoint
