"""The pages' routes, below /orthogen/ui/. All lie in one folder, so that every link can be relative and a
proxy may put Orthanc anywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from pipelines.errors import OrthogenError
from plugin.pages.destinations import (
    check_destinations,
    destinations_page,
    echo_page,
    roll_back_to,
    save_destinations,
)
from plugin.pages.drift import drift_page
from plugin.pages.gate import gate_page
from plugin.pages.jobs import act_on_job, job_page, jobs_page
from plugin.pages.kept_aside import aside_png
from plugin.pages.overview import overview_page
from plugin.pages.page import HEADERS, page
from plugin.pages.pipelines import model_card_page, pipelines_page
from plugin.pages.rules import change_rules, check_page, roll_back_rules, rules_page, try_page
from plugin.pages.study import study_page
from plugin.parts import Parts
from plugin.rest_errors import STATUS, NotFound, Unacceptable

Handler = Callable[[Parts, Request], Response]

LINKED = ("overview", "jobs", "job", "study", "rules", "destinations", "pipelines", "drift", "gate")
STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".txt": "text/plain", ".svg": "image/svg+xml"}


def page_routes(parts: Parts) -> list[BaseRoute]:
    """What the node serves beside its API."""
    pages = Starlette(
        routes=[
            Route("/", _served(parts, overview_page)),
            Route("/overview", _served(parts, overview_page)),
            Route("/jobs", _served(parts, jobs_page)),
            Route("/job", _served(parts, job_page)),
            Route("/job-act", _served(parts, act_on_job, changes=True), methods=["POST"]),
            Route("/aside.png", _served(parts, aside_png)),
            Route("/drift", _served(parts, drift_page)),
            Route("/gate", _served(parts, gate_page)),
            Route("/study", _served(parts, study_page)),
            Route("/rules", _served(parts, rules_page)),
            Route("/rules-check", _served(parts, check_page), methods=["POST"]),
            Route("/rules-try", _served(parts, try_page), methods=["POST"]),
            Route("/rules-save", _served(parts, change_rules, changes=True), methods=["POST"]),
            Route("/rules-back", _served(parts, roll_back_rules, changes=True), methods=["POST"]),
            Route("/destinations", _served(parts, destinations_page)),
            Route("/destinations-check", _served(parts, check_destinations), methods=["POST"]),
            Route("/destinations-echo", _served(parts, echo_page, changes=True), methods=["POST"]),
            Route("/destinations-save", _served(parts, save_destinations, changes=True), methods=["POST"]),
            Route("/destinations-back", _served(parts, roll_back_to, changes=True), methods=["POST"]),
            Route("/pipelines", _served(parts, pipelines_page)),
            Route("/model-card", _served(parts, model_card_page)),
            Route("/static/{name}", _served(parts, static_file)),
        ],
        exception_handlers={HTTPException: on_http_error, OrthogenError: on_error},
    )
    return [
        Route("/orthogen/ui", _served(parts, overview_page)),
        Mount("/orthogen/ui", pages),
        # Orthanc does not say whether the address ended in a slash: where it did not, links lead here.
        *[Route(f"/orthogen/{name}", one_folder_down) for name in LINKED],
        Route("/orthogen/static/{name}", _served(parts, static_file)),
    ]


def one_folder_down(request: Request) -> Response:
    name = request.url.path.rpartition("/")[2]
    return RedirectResponse(f"ui/{name}" + (f"?{request.url.query}" if request.url.query else ""))


def _served(
    parts: Parts, handler: Handler, *, changes: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if changes:
            require_header(request)
        request.state.body = await request.body()
        return await anyio.to_thread.run_sync(handler, parts, request)

    return endpoint


def require_header(request: Request) -> None:
    """No form of another site can send a header of our own."""
    if request.headers.get("x-orthogen") != "1":
        raise Unacceptable(
            "this changes something, and the header X-Orthogen: 1 is missing",
            remedy="use the page's own button, with JavaScript on",
        )


def static_file(_parts: Parts, request: Request) -> Response:
    path = STATIC / Path(request.path_params["name"]).name
    if path.suffix not in MEDIA_TYPES or not path.is_file():
        raise NotFound("there is no such file", remedy="go back to the overview")
    headers = {**HEADERS, "Cache-Control": "max-age=300"}
    return Response(path.read_bytes(), 200, headers, media_type=MEDIA_TYPES[path.suffix])


async def on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrthogenError)
    status, title = next((status, title) for kind, status, title in STATUS if isinstance(error, kind))
    return _error_page(status, title=title, detail=error.what, remedy=error.remedy)


async def on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _error_page(error.status_code, title=error.detail, detail="", remedy="go back to the overview")
    answer.headers.update(error.headers or {})
    return answer


def _error_page(status: int, **words: Any) -> Response:
    return page("error.html", status=status, **words)
