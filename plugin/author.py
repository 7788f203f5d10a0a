"""Who asks: the user that Orthanc has authenticated."""

from __future__ import annotations

import urllib.parse

from starlette.requests import Request

ANONYMOUS = "anonymous"
"""Where Orthanc asks for no password."""


def author_of(request: Request) -> str:
    """The user's name as the door hands it on (percent-encoded); a client cannot set it."""
    return urllib.parse.unquote(request.headers.get("x-orthogen-user", "")) or ANONYMOUS
