"""Receivers over HTTP and TLS for tests: an Orthanc with a user, a proxy that ends TLS, a STOW-RS server that
says what it is told to, storescp over TLS.
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from tests.node.a_certificate import Certificates, certificates
from tests.node.a_destination import dicomweb_plugin, listens, second_orthanc
from tests.node.a_node import until

SECRET = "p\u00e4ssword: with a colon"


@contextmanager
def tls_proxy(url: str, own: Certificates) -> Iterator[str]:
    """Relays what comes over TLS to a plain HTTP server; yields its own URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.certificate, own.key)
    behind = "127.0.0.1", int(url.rpartition(":")[2])

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as front,
                socket.create_connection(behind) as back,
            ):
                answers = threading.Thread(target=relay, args=(back, front))
                answers.start()
                relay(front, back)
                answers.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def relay(origin: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := origin.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Pacs:
    """A second Orthanc with a user and DICOMweb, over HTTP, and over HTTPS behind a proxy that ends TLS:
    Debian 12's Orthanc crashes when it serves HTTPS itself.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.certificates = certificates(folder / "certificates")
        shared: dict[str, Any] = {
            "RegisteredUsers": {"gate": SECRET},
            "AuthenticationEnabled": True,
            "Plugins": [dicomweb_plugin()],
        }
        self.url = stack.enter_context(second_orthanc(folder / "plain", **shared))
        self.secure_url = stack.enter_context(tls_proxy(self.url, self.certificates))

    def held(self) -> int:
        headers = urllib3.make_headers(basic_auth=f"gate:{SECRET}".encode().decode("latin-1"))
        return int(urllib3.request("GET", f"{self.url}/statistics", headers=headers).json()["CountInstances"])

    def empty(self) -> None:
        headers = urllib3.make_headers(basic_auth=f"gate:{SECRET}".encode().decode("latin-1"))
        for study in urllib3.request("GET", f"{self.url}/studies", headers=headers).json():
            urllib3.request("DELETE", f"{self.url}/studies/{study}", headers=headers)

    def trusting(self, **more: Any) -> dict[str, Any]:
        return {"Tls": {"TrustedCertificates": str(self.certificates.authority), **more}}


@contextmanager
def stow_server(answer: Callable[[int], tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers each POST as told, by the number of the call; it reads the request first."""
    calls: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
            calls.append(len(calls))
            status, body = answer(calls[-1])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def store_response(stored: list[str], failed: dict[str, int]) -> bytes:
    def item(uid: str, **more: Any) -> dict[str, Any]:
        return {"00081155": {"vr": "UI", "Value": [uid]}, **more}

    reasons = {uid: {"00081197": {"vr": "US", "Value": [code]}} for uid, code in failed.items()}
    answer = {
        "00081199": {"vr": "SQ", "Value": [item(uid) for uid in stored]},
        "00081198": {"vr": "SQ", "Value": [item(uid, **more) for uid, more in reasons.items()]},
    }
    return json.dumps(answer).encode()


@contextmanager
def storescp_over_tls(folder: Path, own: Certificates, port: int) -> Iterator[None]:
    """DCMTK's receiver, which wants a certificate of the same authority from whoever calls."""
    folder.mkdir()
    tls = ["+tls", str(own.key), str(own.certificate), "+cf", str(own.authority), "-rc"]
    process = subprocess.Popen(
        ["/usr/bin/storescp", *tls, "-aet", "PEER", "+xa", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(port), "storescp")
        yield
    finally:
        process.terminate()
        process.wait(5)
