"""A job's gate report: the page that the worker made, as it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from plugin.gate_report.kept import report_of
from plugin.pages.jobs import job_named
from plugin.pages.page import HEADERS
from plugin.parts import Parts
from plugin.rest_errors import NotFound

REPORT_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
}
"""The page carries its own style and pictures, and nothing else runs or loads in it."""


def gate_page(parts: Parts, request: Request) -> Response:
    """HTML that needs nothing else. Raises NotFound where the job has none (yet)."""
    job = job_named(parts, request.query_params.get("id", ""))
    html = report_of(parts.ledger.engine, job.id)
    if html is None:
        raise NotFound("this job has no gate report", remedy="it is made when the pipeline has run")
    return Response(html.encode("ascii", "xmlcharrefreplace"), 200, REPORT_HEADERS, media_type="text/html")
