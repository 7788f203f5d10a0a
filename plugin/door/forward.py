"""Hands a request that Orthanc has authenticated to the node, and its answer back."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

TIMEOUT_S = 60.0
PASSED_ON = ("accept", "content-type", "x-orthogen", "if-none-match")
CARRIED_BACK = ("Content-Type", "Content-Encoding", "Cache-Control", "ETag", "Content-Disposition")
CARRIED_BACK_PREFIXES = (
    *("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"),
    *("Cross-Origin-", "X-Frame-Options", "Location", "Allow"),
)


class NodeUnreachable(Exception):
    """The node does not answer on its socket."""


class NodeStillBusy(Exception):
    """The node has taken the request, and has not answered in time."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float = TIMEOUT_S) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Answer:
    """What goes back to the browser."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def json(cls, status: int, error: str, detail: str, remedy: str) -> Answer:
        body = json.dumps({"error": error, "detail": detail, "remedy": remedy}).encode("ascii")
        return cls(status, {"Content-Type": "application/json"}, body)


def forward(
    socket_path: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None,
    user: str | None,
) -> Answer:
    """Returns the node's Answer; raises NodeUnreachable when there is none.

    `user` is the name Orthanc authenticated, or None; a client cannot set it, because only the
    headers named above are passed on.
    """
    sent = {name: value for name, value in headers.items() if name.lower() in PASSED_ON}
    if user:
        sent["X-Orthogen-User"] = urllib.parse.quote(user)
    connection = UnixConnection(socket_path)
    try:
        connection.request(method, target, body=body, headers=sent)
        response = connection.getresponse()
        return Answer(response.status, carried_back(response), response.read())
    except TimeoutError as error:
        raise NodeStillBusy(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise NodeUnreachable(str(error)) from error
    finally:
        connection.close()


def carried_back(response: http.client.HTTPResponse) -> dict[str, str]:
    """The headers a browser needs, each word capitalized; framing is Orthanc's own."""
    return {
        name.title(): value
        for name, value in response.getheaders()
        if name.title() in {kept.title() for kept in CARRIED_BACK}
        or name.title().startswith(tuple(prefix.title() for prefix in CARRIED_BACK_PREFIXES))
    }
