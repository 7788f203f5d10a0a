"""Errors of the interface: JSON with error, detail and remedy, and the status that fits."""

from __future__ import annotations

import json
import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from pipelines.errors import OrthogenError, PassingTrouble


class Unacceptable(OrthogenError):
    """The call itself is wrong (400)."""


class NotFound(OrthogenError):
    """There is no such thing (404)."""


class Conflict(OrthogenError):
    """The thing is not in a state for that (409)."""

    def __init__(self, what: str, *, remedy: str = "", job: dict[str, Any] | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.job = job


log = logging.getLogger(__name__)

STATUS: tuple[tuple[type[OrthogenError], int, str], ...] = (
    (Unacceptable, 400, "bad request"),
    (NotFound, 404, "not found"),
    (Conflict, 409, "conflict"),
    (PassingTrouble, 503, "not able to work just now"),
    (OrthogenError, 422, "refused"),
)


class PlainJSONResponse(JSONResponse):
    """JSON in ASCII: older versions of Orthanc's plugin cut other characters off."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode("ascii")


async def on_unexpected(_request: Request, error: Exception) -> JSONResponse:
    """Its text may hold anything, so it stays in the log."""
    log.exception("an unexpected error in the interface", exc_info=error)
    body = {"error": "internal error", "detail": type(error).__name__, "remedy": "see the node's log"}
    return PlainJSONResponse(body, status_code=500)


async def on_clash(_request: Request, _error: Exception) -> JSONResponse:
    body = {
        "error": "conflict",
        "detail": "somebody else changed the same thing at this moment",
        "remedy": "look again, then try once more",
    }
    return PlainJSONResponse(body, status_code=409)


async def on_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OrthogenError)
    status, title = next((status, title) for kind, status, title in STATUS if isinstance(error, kind))
    body: dict[str, Any] = {"error": title, "detail": error.what, "remedy": error.remedy}
    if isinstance(error, Conflict) and error.job is not None:
        body["job"] = error.job
    return PlainJSONResponse(body, status_code=status)


async def on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    remedy = "GET /orthogen/api/health shows whether the node works; docs/api.md lists the routes"
    return PlainJSONResponse(
        {"error": error.detail.lower(), "detail": error.detail, "remedy": remedy},
        status_code=error.status_code,
        headers=error.headers,
    )


def as_json(request: Request, *, allow_list: bool = False) -> Any:
    """The request's body: a JSON object, or a list where that is allowed."""
    try:
        body = json.loads(request.state.body or b"{}")
    except ValueError as error:
        raise Unacceptable(f"the body is not JSON ({error})", remedy="send a JSON object") from None
    if not isinstance(body, dict) and not (allow_list and isinstance(body, list)):
        raise Unacceptable("the body is no JSON object", remedy="send a JSON object")
    return body
