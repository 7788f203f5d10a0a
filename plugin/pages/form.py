"""The fields of a form that a page has sent."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

FIELDS_AT_MOST = 50


def fields(request: Request) -> dict[str, str]:
    """By name, from the urlencoded body; line ends as `\\n`."""
    text = request.state.body.decode("ascii", "replace")
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_AT_MOST)
    return {name: value.replace("\r\n", "\n") for name, value in pairs}
