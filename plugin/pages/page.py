"""HTML from templates. Every value is escaped: what DICOM files bring is hostile until shown otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, unquote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from plugin.identity import node_version

SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'self'; object-src 'none'"
)
"""Nothing from elsewhere, nothing inline: a script in a series description would not run even unescaped."""
HEADERS = {
    "Content-Security-Policy": SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(template: str, *, status: int = 200, **values: object) -> Response:
    """One page. Its body is ASCII with character references, since Orthanc's plugins before 4.2 pass nothing
    else on beside an error status.
    """
    html = TEMPLATES.get_template(template).render(**values)
    body = html.encode("ascii", "xmlcharrefreplace")
    return Response(body, status, HEADERS, media_type="text/html")


def readable_moment(iso: str | None) -> str:
    """`2026-11-22 17:04:05` of ISO 8601 text, in UTC."""
    return "" if not iso else datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def seconds_between(start: str | None, end: str | None) -> str:
    """`12.3 s`; empty where one of the moments is missing."""
    if not start or not end:
        return ""
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.1f} s"


def as_expected(value: object) -> str:
    """What a condition wants, as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(as_expected(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_figure(number: float) -> str:
    """Four digits, large counts whole."""
    return f"{number:.0f}" if abs(number) >= 10_000 else f"{number:.4g}"


def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("plugin.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        moment=readable_moment,
        expected=as_expected,
        figure=as_figure,
        user=unquote,
        query=lambda text: quote(str(text), ""),
    )
    found.globals.update(version=node_version(), seconds_between=seconds_between)
    return found


TEMPLATES = _templates()
