"""A small disk of its own, to be filled: a tmpfs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = bytes(65536)


@dataclass(frozen=True)
class ASmallDisk:
    """Mounted at `folder`."""

    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, leave_bytes: int = 0) -> None:
        """Until nothing more can be written, or so much is left."""
        with self.ballast.open("ab", buffering=0) as file:
            try:
                while self.free_bytes() > leave_bytes:
                    file.write(BLOCK)
            except OSError:
                return

    def free_bytes(self) -> int:
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def make_room(self) -> None:
        self.ballast.unlink()

    def grow(self, megabytes: int) -> None:
        options = f"remount,size={megabytes}m"
        subprocess.run(["mount", "-o", options, str(self.folder)], check=True, capture_output=True)


@contextmanager
def a_small_disk(folder: Path, megabytes: int) -> Iterator[ASmallDisk]:
    """Skips the test where this user may mount nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is refused here: {mounted.stderr.strip()}")
    try:
        yield ASmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
