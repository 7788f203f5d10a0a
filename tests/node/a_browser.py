"""A real Chromium without a window, driven by the W3C WebDriver protocol: HTTP and JSON, so no library."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.node.a_node import free_port, until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's reference (W3C WebDriver, section 12)."""
MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Stale(Exception):
    """The element is no longer on the page."""


@dataclass
class ABrowser:
    """One browser with a profile of its own; the context manager starts and ends it."""

    dark: bool = False
    width: int = 1300
    height: int = 1000
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    session: str = ""

    def __enter__(self) -> ABrowser:
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            ["chromedriver", f"--port={self.port}", "--silent"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._driver_is_ready, "chromedriver")
        arguments = [
            *(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ),
            *(f"--window-size={self.width},{self.height}", f"--user-data-dir={self.profile.name}"),
            *(["--blink-settings=preferredColorScheme=0"] if self.dark else []),
        ]
        always = {
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self.session = self._call("POST", "", {"capabilities": {"alwaysMatch": always}})["sessionId"]
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.session:
            self._call("DELETE", "")
        self.process.terminate()
        self.process.wait(10)
        self.profile.cleanup()

    def open(self, address: str) -> None:
        self._call("POST", "/url", {"url": address})

    @property
    def address(self) -> str:
        return str(self._call("GET", "/url"))

    @property
    def title(self) -> str:
        return str(self._call("GET", "/title"))

    def count(self, selector: str) -> int:
        return len(self._call("POST", "/elements", {"using": "css selector", "value": selector}))

    def click(self, selector: str) -> None:
        self._on(selector, "POST", "click", {})

    def type(self, selector: str, text: str) -> None:
        self._on(selector, "POST", "value", {"text": text})

    def text(self, selector: str) -> str:
        return str(self._on(selector, "GET", "text"))

    def accept_question(self) -> None:
        """The answer yes to `confirm`."""
        self._call("POST", "/alert/accept", {})

    def run(self, script: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def complaints(self) -> list[str]:
        """What the console says: blocked scripts and styles, missing files, exceptions."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def _on(self, selector: str, method: str, action: str, body: Any = None) -> Any:
        """Once more where the page has put another element in its place meanwhile."""
        for _ in range(5):
            found = self._call("POST", "/element", {"using": "css selector", "value": selector})
            try:
                return self._call(method, f"/element/{found[ELEMENT]}/{action}", body)
            except Stale:
                continue
        raise AssertionError(f"{selector} never stood still")

    def _driver_is_ready(self) -> bool:
        try:
            return bool(self._send("GET", "/status", None)["ready"])
        except urllib3.exceptions.HTTPError:
            return False

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        return self._send(method, f"/session/{self.session}{path}".rstrip("/"), body)

    def _send(self, method: str, path: str, body: Any) -> Any:
        address = f"http://127.0.0.1:{self.port}{path}"
        answer = urllib3.request(method, address, json=body, retries=False, timeout=30)
        value = answer.json()["value"]
        if answer.status != 200 and value["error"] == "stale element reference":
            raise Stale
        assert answer.status == 200, value
        return value
