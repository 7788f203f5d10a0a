"""Starts a child process with the virtual environment's own Python, keeps it running, and ends it.

The pipe on the child's standard input is its life line: end of file means die. It also carries the hand-over
(one line of JSON) and the wake-ups. The door keeps the node this way, and the node its workers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

READY = "ready"
"""The line by which a child says that it can work."""
CALL = "call "
"""Begins the line by which a child says that it has put work into a queue of another's."""
STOP_WITHIN_S = 6.0
RESTART_AFTER_S = (0.1, 1.0, 2.0, 5.0, 15.0, 30.0)
STEADY_AFTER_S = 30.0


def ignore(_calls: str) -> None:
    """For a parent that has nobody to wake."""


class Child:
    """One child process, started again when it ends."""

    def __init__(
        self,
        command: Sequence[str],
        folder: str,
        hand_over: bytes,
        log: Callable[[str], None],
        on_call: Callable[[str], None] = ignore,
    ) -> None:
        """`hand_over`: the line of bytes the child reads first. `log` is called with each line it logs,
        `on_call` with what it has put work into.
        """
        self._command = command
        self._folder = folder
        self._hand_over = hand_over
        self._log = log
        self._on_call = on_call
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._stopping = threading.Event()
        self.starts = 0
        self.ready = False
        self.reason = "it is starting"

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Returns at once; the child starts and is kept running in a thread."""
        self._watcher = threading.Thread(target=self._keep_running, name="child-watcher", daemon=True)
        self._watcher.start()

    def wake(self) -> None:
        """Tells the child that there is something to do; never waits."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                os.write(process.stdin.fileno(), b"wake\n")

    def ask_to_stop(self) -> None:
        """Lets go of the life line; `stop` waits for the end."""
        self._stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def stop(self) -> None:
        """Ends the child and waits for it; no thread and no process is left."""
        self.ask_to_stop()
        process = self._process
        if process is not None:
            self._await_end(process)
        if self._watcher is not None:
            self._watcher.join(STOP_WITHIN_S)

    def _keep_running(self) -> None:
        quick_ends = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._run_once()
            except Exception as error:  # noqa: BLE001 - whatever it is, the child must be started again
                self.reason = f"it could not be kept: {error}"
            quick_ends = 0 if time.monotonic() - started > STEADY_AFTER_S else quick_ends + 1
            self._stopping.wait(RESTART_AFTER_S[min(max(quick_ends - 1, 0), len(RESTART_AFTER_S) - 1)])

    def _run_once(self) -> None:
        try:
            process = self._spawn()
        except OSError as error:
            self._say(f"{self._command[0]} cannot be started ({error.strerror}); run `make setup`")
            return
        self.starts += 1
        self._greet(process)
        self._process = process  # only now may a wake-up be written: the hand-over comes first
        if self._stopping.is_set():
            self.ask_to_stop()
        self._listen(process)
        status = process.wait()
        self.ready = False
        if not self._stopping.is_set():
            self._log(f"process {process.pid} ended with {status}: {self.reason}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(self._hand_over)
            os.set_blocking(process.stdin.fileno(), False)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Passes the child's log on; its last word is the reason should it end."""
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            if line == READY:
                self.ready = True
                self.reason = "it is ready"
            elif line.startswith(CALL):
                self._on_call(line.removeprefix(CALL))
            elif line:
                self._say(line)

    def _say(self, line: str) -> None:
        self.reason = line
        self._log(line)

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
