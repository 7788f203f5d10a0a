"""One route of the interface: who answers it, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from plugin.parts import Parts

Handler = Callable[[Parts, Request], Any]
API = "/orthogen/api"


@dataclass(frozen=True)
class ApiRoute:
    """`path` below /orthogen/api. The first line of the handler's docstring says what the route does."""

    method: str
    path: str
    handler: Handler
    answer: Any
    """The type of what is answered when all goes well, as JSON; a text is a media type."""
    body: Any = None
    file: str = ""
    """Media type of a file that may be sent in the body's place."""
    query: Mapping[str, str] = field(default_factory=dict)
    """The parameters in the address, each in words."""
    status: int = 200
    answers: Mapping[int, Any] = field(default_factory=dict)
    """Further statuses whose body is no plain error."""

    @property
    def address(self) -> str:
        return self.path if self.path.startswith("/orthogen/") else API + self.path

    @property
    def changes(self) -> bool:
        """Whether it needs the header that no cross-site form can send."""
        return self.method != "GET"


def get(path: str, handler: Handler, answer: Any, **more: Any) -> ApiRoute:
    return ApiRoute("GET", path, handler, answer, **more)


def post(path: str, handler: Handler, answer: Any, **more: Any) -> ApiRoute:
    return ApiRoute("POST", path, handler, answer, **more)


def put(path: str, handler: Handler, answer: Any, **more: Any) -> ApiRoute:
    return ApiRoute("PUT", path, handler, answer, **more)


def delete(path: str, handler: Handler, answer: Any, **more: Any) -> ApiRoute:
    return ApiRoute("DELETE", path, handler, answer, **more)
