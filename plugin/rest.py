"""The node's HTTP interface, under /orthogen/. Only the door can reach it, so Orthanc's authentication is the
way in.

Every route is in the list in `make_app`. A call that changes something needs the header `X-Orthogen: 1`,
which no cross-site form can send. Errors are JSON: error, detail, remedy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import anyio.to_thread
from sqlalchemy.exc import IntegrityError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.errors import OrthogenError
from plugin.delivery.association import Peer
from plugin.delivery.overview import echo, shown_deliveries, shown_destinations
from plugin.health import health
from plugin.identity import node_version
from plugin.ledger import STATES, Job
from plugin.moment import moment
from plugin.parts import Parts
from plugin.people import cancel, reject, release, retry, run_now
from plugin.rest_errors import (
    Conflict,
    NotFound,
    PlainJSONResponse,
    Unacceptable,
    as_json,
    on_clash,
    on_error,
    on_http_error,
    on_unexpected,
)
from plugin.rest_rules import dry_run, get_rules, list_versions, put_rules, replay_rules, roll_back
from plugin.watch import all_watched

Handler = Callable[[Parts, Request], Any]


def make_app(parts: Parts, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """The routes, in one place; `pages` are those of the admin pages."""

    def get(path: str, handler: Handler) -> Route:
        return Route("/orthogen/api" + path, _called(parts, handler), methods=["GET"])

    def post(path: str, handler: Handler) -> Route:
        return Route("/orthogen/api" + path, _called(parts, handler, changes=True), methods=["POST"])

    def put(path: str, handler: Handler) -> Route:
        return Route("/orthogen/api" + path, _called(parts, handler, changes=True), methods=["PUT"])

    routes = [
        get("/health", get_health),
        get("/jobs", list_jobs),
        post("/jobs", post_job),
        get("/jobs/{id}", get_job),
        post("/jobs/{id}/cancel", lambda parts, request: whole(parts, cancel(parts, job_of(parts, request)))),
        post("/jobs/{id}/retry", lambda parts, request: whole(parts, retry(parts, job_of(parts, request)))),
        post(
            "/jobs/{id}/release", lambda parts, request: whole(parts, release(parts, job_of(parts, request)))
        ),
        post("/jobs/{id}/reject", lambda parts, request: whole(parts, reject(parts, job_of(parts, request)))),
        get("/destinations", list_destinations),
        post("/destinations/{name}/echo", echo_destination),
        get("/explain", explain),
        get("/pipelines", list_pipelines),
        get("/rules", get_rules),
        put("/rules", put_rules),
        get("/rules/versions", list_versions),
        post("/rules/rollback", roll_back),
        post("/rules/dry-run", dry_run),
        post("/rules/replay", replay_rules),
        *pages,
    ]
    handlers: dict[Any, Any] = {
        HTTPException: on_http_error,
        OrthogenError: on_error,
        IntegrityError: on_clash,
        Exception: on_unexpected,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


def _called(
    parts: Parts, handler: Handler, *, changes: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if changes and request.headers.get("x-orthogen") != "1":
            raise Unacceptable(
                "the header X-Orthogen: 1 is missing", remedy="send it with every call that changes something"
            )
        request.state.body = await request.body()
        answer = await anyio.to_thread.run_sync(handler, parts, request)
        return answer if isinstance(answer, Response) else PlainJSONResponse(answer)

    return endpoint


def get_health(parts: Parts, _request: Request) -> Response:
    found = health(parts)
    return PlainJSONResponse(found, status_code=200 if found["status"] == "ok" else 503)


def list_jobs(parts: Parts, request: Request) -> list[dict[str, Any]]:
    asked = request.query_params
    columns = {"study": "study_instance_uid", "series": "source_series_uid", "state": "state"}
    equals = {column: asked[name] for name, column in columns.items() if asked.get(name)}
    if equals.get("state", STATES[0]) not in STATES:
        raise Unacceptable(f"state {equals['state']!r} does not exist", remedy="one of " + ", ".join(STATES))
    jobs = parts.ledger.jobs(limit=_limit(asked.get("limit")), since=_since(asked.get("since")), **equals)
    return [whole(parts, job) for job in jobs]


def get_job(parts: Parts, request: Request) -> dict[str, Any]:
    return whole(parts, job_of(parts, request))


def post_job(parts: Parts, request: Request) -> Response:
    wanted = as_json(request)
    job, new = run_now(parts, wanted)
    if not new:
        raise Conflict(
            f"the same content was already given to this pipeline version as job {job.id}",
            remedy='send "force": true to run it once more',
            job=whole(parts, job),
        )
    return PlainJSONResponse(whole(parts, job), status_code=201)


def explain(parts: Parts, request: Request) -> dict[str, Any]:
    study_instance_uid = request.query_params.get("study")
    if not study_instance_uid:
        raise Unacceptable("the parameter study is missing", remedy="give a Study Instance UID")
    judgements = [
        {**judgement, "at": moment(judgement["at"])}
        for judgement in parts.ledger.explanations(study_instance_uid)
    ]
    jobs = parts.ledger.jobs(study_instance_uid=study_instance_uid)
    open_fates = [
        {"stage": one.stage, "reason": one.reason, "look_again": moment(one.look_at)}
        for one in all_watched(parts.ledger.engine)
        if one.study_instance_uid == study_instance_uid
    ]
    return {
        "study_instance_uid": study_instance_uid,
        "series": judgements,
        "open": open_fates,
        "jobs": [whole(parts, job) for job in jobs],
    }


def list_pipelines(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    return [
        {**entry.manifest.model_dump(mode="json", by_alias=True), "ModelSha256": entry.model_sha256}
        for entry in parts.catalog
    ]


def list_destinations(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    return shown_destinations(parts.ledger, parts.settings)


def echo_destination(parts: Parts, request: Request) -> dict[str, Any]:
    """A C-ECHO; when it succeeds, what waits for the destination goes at once."""
    name = str(request.path_params["name"])
    destination = parts.settings.destinations.get(name)
    if destination is None:
        known = ", ".join(parts.settings.destinations) or "none is configured"
        raise NotFound(f"there is no destination {name!r}", remedy=f"one of: {known}")
    answer = echo(Peer(name, destination, parts.called_ae_title))
    with parts.ledger.transaction() as connection:
        parts.dispatch.hasten(connection, name)
    return answer


def job_of(parts: Parts, request: Request) -> Job:
    job = parts.ledger.job(request.path_params["id"])
    if job is None:
        raise NotFound(
            f"there is no job {request.path_params['id']}", remedy="GET /orthogen/api/jobs lists them"
        )
    return job


def whole(parts: Parts, job: Job) -> dict[str, Any]:
    """The job with its deliveries."""
    return shown(job, shown_deliveries(parts.ledger, job))


def shown(job: Job, deliveries: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A job as the interface promises it."""
    return {
        "id": job.id,
        "state": job.state,
        "stage": job.stage,
        "pipeline": job.pipeline,
        "pipeline_version": job.pipeline_version,
        "rule": job.rule,
        "mode": job.mode,
        "priority": job.priority,
        "study_instance_uid": job.study_instance_uid,
        "source_series_uid": job.source_series_uid,
        "source_instances": len(job.instances),
        "companions": list(job.companions),
        "output": job.output,
        "result_series_uids": list(job.result_series_uids),
        "verdict": job.verdict,
        "reasons": list(job.reasons),
        "figures": dict(job.figures),
        "progress": job.progress,
        "attempts": job.attempts,
        "created": moment(job.created),
        "started": moment(job.started),
        "finished": moment(job.finished),
        "deliveries": list(deliveries),
        "node_version": node_version(),
    }


def _limit(text: str | None) -> int:
    try:
        return min(max(int(text or 100), 1), 1000)
    except ValueError:
        raise Unacceptable(f"limit {text!r} is no number", remedy="1 to 1000") from None


def _since(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Unacceptable(f"since {text!r} is no time", remedy="ISO 8601, e.g. 2026-01-31T08:00") from None
