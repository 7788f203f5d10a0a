"""Processor time of a node's processes, as /proc tells it: harder to spoil on a shared machine than times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PARTS = ("plugin.node", "plugin.worker", "plugin.sender")
"""What the command lines of the processes below Orthanc name; all others count as Orthanc."""


def used_s(orthanc_pid: int) -> dict[str, float]:
    """Seconds of Orthanc and of every process below it, ended threads included."""
    found: dict[str, float] = {}
    for pid in _family(orthanc_pid):
        with suppress(OSError):  # it has just ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            name = next((part.removeprefix("plugin.") for part in PARTS if part in command), "Orthanc")
            ticks = sum(int(field) for field in _fields(pid)[11:13])
            found[name] = found.get(name, 0.0) + ticks / TICKS_PER_S
    return found


def _family(pid: int) -> Iterator[int]:
    yield pid
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if int(_fields(int(folder.name))[1]) == pid:
                    yield from _family(int(folder.name))


def _fields(pid: int) -> list[str]:
    """Of `stat`, from the state on (proc(5): the third)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
