"""HTTP calls to one destination over a kept-alive connection, which another thread may cut."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.errors import PassingTrouble
from plugin.delivery.credentials import Tls, client_context, secret_text
from plugin.delivery.destination import HttpDestination

Body = bytes | Iterable[bytes]


@dataclass(frozen=True)
class Answer:
    """Status and body; never logged, as it may name a patient."""

    status: int
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class HttpSession:
    """Of one turn of one delivery. Its errors name the destination and its address, no secret."""

    def __init__(self, name: str, destination: HttpDestination, secret_folder: Path) -> None:
        """Raises ConfigurationError if a secret or a file of `Tls` cannot be had."""
        self._place = f"{name} ({destination.url})"
        self._parts = urlsplit(destination.url)
        self._limit_s = destination.timeout_seconds
        self._headers = authorization(destination, secret_folder)
        self._context = client_context(destination.tls or Tls()) if destination.is_https else None
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def call(self, method: str, path: str, body: Body = b"", **headers: str) -> Answer:
        """`path` follows the destination's Url. An iterable body is streamed.

        Raises:
            PassingTrouble: no answer, or one that concerns the whole destination (401, 403, 429, 5xx).
        """
        answer = self._ask(method, self._parts.path.rstrip("/") + path, body, headers)
        if answer.status in (401, 403):
            raise PassingTrouble(
                f"{self._place} answered {answer.status}: it does not accept who calls",
                remedy="mend User, Password or Token",
            )
        if answer.status in (408, 429) or 300 <= answer.status < 400:
            raise PassingTrouble(f"{self._place} answered {answer.status} to {method}")
        return answer

    def hang_up(self) -> None:
        """Cuts the connection: a call in progress in another thread ends at once."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _ask(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Answer:
        """Between two calls the other side may close the connection: then, once, over a new one."""
        if not isinstance(body, bytes):
            self._close()
        try:
            if self._connection is not None:
                with suppress(ConnectionError):
                    return self._exchange(method, path, body, headers)
                self._close()
            return self._exchange(method, path, body, headers)
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or "broken off"
            raise PassingTrouble(f"{self._place} cannot be reached over TLS: {why}") from error
        except (OSError, HTTPException) as error:
            self._close()
            raise PassingTrouble(f"{self._place} {_why_not(error)}") from error

    def _exchange(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Answer:
        spoken = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = self._open()
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before the end
            connection.request(method, path, body or None, {**self._headers, **spoken})
        response = connection.getresponse()
        answer = Answer(response.status, response.read())
        if response.will_close:
            self._close()
        return answer

    def _open(self) -> HTTPConnection:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._context is not None:
                made: HTTPConnection = HTTPSConnection(
                    host, port, timeout=self._limit_s, context=self._context
                )
            else:
                made = HTTPConnection(host, port, timeout=self._limit_s)
            made.connect()
            self._connection = made
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def authorization(destination: HttpDestination, secret_folder: Path) -> dict[str, str]:
    """The header by which the destination knows us; empty where it does not ask."""
    if destination.token is not None:
        return {"Authorization": f"Bearer {secret_text(destination.token, secret_folder)}"}
    if destination.user is not None and destination.password is not None:
        pair = f"{destination.user}:{secret_text(destination.password, secret_folder)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}
    return {}


def _why_not(error: OSError | HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return "cannot be reached"
    return "broke off the connection"
