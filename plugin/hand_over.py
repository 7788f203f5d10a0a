"""What a parent process tells its child on the first line of standard input, and the life line that follows.

Secrets travel this way and no other: not in arguments, not in the environment, not on disk.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plugin.door.supervise import CALL, READY
from plugin.folders import Folders
from plugin.orthanc_rest import OrthancAddress


@dataclass(frozen=True)
class HandOver:
    """Where Orthanc is, and the configuration in force."""

    orthanc_url: str
    token: str | None
    state_folder: str
    called_ae_title: str
    section: Mapping[str, Any]
    configuration_path: str = ""
    """The file people edit, watched for changed rules; empty for none."""
    socket: str = ""
    is_at_node: bool = True
    """Whether the state folder is the node's own."""
    index_folder: str = ""
    """Where Orthanc keeps its index, if on this machine."""

    @property
    def address(self) -> OrthancAddress:
        return OrthancAddress(self.orthanc_url, self.token)

    @property
    def state(self) -> Path:
        return Path(self.state_folder)

    @property
    def written_folders(self) -> tuple[Path, ...]:
        """What must have room: this node's folders, Orthanc's storage (around them) and its index."""
        index = (Path(self.index_folder),) if self.index_folder else ()
        return (self.state, self.state.parent, *index, *Folders(self.state).kept_aside)

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii") + b"\n"


def read_hand_over() -> HandOver:
    """Blocks until the parent has spoken."""
    return HandOver(**json.loads(sys.stdin.buffer.readline()))


def follow_life_line(on_line: Callable[[], None], on_end: Callable[[], None]) -> None:
    """Calls `on_line` for each further line from the parent, and `on_end` once the parent is gone or wants an
    end.
    """

    def listen() -> None:
        for _ in sys.stdin.buffer:
            on_line()
        on_end()

    threading.Thread(target=listen, name="life-line", daemon=True).start()


def say_ready() -> None:
    """Tells the parent that this process can work now."""
    sys.stderr.write(READY + "\n")
    sys.stderr.flush()


def say_called(calls: str) -> None:
    """Tells the parent, which passes it on, that there is work for others."""
    sys.stderr.write(f"{CALL}{calls}\n")
    sys.stderr.flush()


def end_now(status: int = 0) -> None:
    """Ends this process at once. Durable jobs make that safe: they go on from their last step."""
    sys.stderr.flush()
    os._exit(status)
