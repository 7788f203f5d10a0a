"""Room on the disks: a floor below which no new work begins, and what a full disk means for work under way.

A full disk is never a reason to give a job up: it waits, and goes on by itself once there is room. The floor
(`MinimumFreeMegabytes`) is what running jobs may still use up while nothing new is taken in.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipelines.errors import PassingTrouble

MEGABYTE = 1_000_000
NO_ROOM = "no disk space"
"""The stage of a job that waits for room."""
LOOK_EVERY_S = 1.0
LONGEST_PAUSE_S = 15.0
FULL = (errno.ENOSPC, errno.EDQUOT)
REMEDY = "make room there; work goes on by itself"

log = logging.getLogger(__name__)
T = TypeVar("T")


class NoSpace(PassingTrouble):
    """A disk is full, here or at Orthanc."""


class NoSpaceHere(NoSpace):
    """A disk of this very machine is."""


@dataclass(frozen=True)
class Space:
    """The folders that must have room."""

    folders: tuple[Path, ...]
    minimum_free_megabytes: float
    """Of 10^6 bytes, on each of their file systems."""

    def free_bytes(self) -> dict[Path, int]:
        """What an ordinary user may still write, by folder; the first one speaks for its file system, and one
        that cannot be looked at says nothing.
        """
        found: dict[int, tuple[Path, int]] = {}
        for folder in self.folders:
            with suppress(OSError):
                state = os.statvfs(folder)
                found.setdefault(folder.stat().st_dev, (folder, state.f_bavail * state.f_frsize))
        return dict(found.values())

    def shortages(self) -> list[str]:
        """One sentence for each file system below the floor: the path, what is free, what must be."""
        return [
            f"disk full: {folder} has {free // MEGABYTE} MB free, less than the "
            f"{self.minimum_free_megabytes:g} MB of MinimumFreeMegabytes; {REMEDY}"
            for folder, free in self.free_bytes().items()
            if free < self.minimum_free_megabytes * MEGABYTE
        ]

    def require(self) -> None:
        """Raises NoSpaceHere below the floor."""
        shortages = self.shortages()
        if shortages:
            what, _, remedy = shortages[0].rpartition("; ")
            raise NoSpaceHere(what, remedy=remedy)


class Alarm:
    """Whether the node itself can write just now; kept by its receiver, read by health."""

    def __init__(self) -> None:
        self.text = ""

    def on(self, full: NoSpace) -> None:
        if not self.text:
            log.error("intake of new work stops: %s", full)
        self.text = str(full)

    def off(self) -> None:
        if self.text:
            log.warning("there is room again: intake of new work goes on")
        self.text = ""


def write_file(path: Path, content: bytes) -> None:
    """Raises NoSpaceHere that names the folder: the operating system's own error does not."""
    try:
        path.write_bytes(content)
    except OSError as error:
        if error.errno in FULL:
            raise NoSpaceHere(f"disk full: {path.parent} takes no more files", remedy=REMEDY) from error
        raise


def no_space_in(error: BaseException) -> NoSpace | None:
    """The error as a full disk, if it is one."""
    if isinstance(error, NoSpace):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return NoSpaceHere("disk full: a folder of this machine takes no more files", remedy=REMEDY)
    return None


def once_there_is_room(work: Callable[[], T], space: Space | None = None) -> T:
    """Does the work, and anew from its start when a disk was full under it; above its floor only.

    So the work must be such that doing it twice is the same as once; it sees for itself whether it is still
    wanted.
    """
    pause_s = LOOK_EVERY_S
    while True:
        if space is not None:
            await_room(space)
        try:
            return work()
        except Exception as error:
            full = no_space_in(error)
            if full is None:
                raise
            log.warning("%s", full)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def await_room(space: Space) -> None:
    """Returns once every disk is above its floor."""
    said: Iterable[str] = ()
    while shortages := space.shortages():
        if not said:
            log.warning("no new work: %s", "; ".join(shortages))
        said = shortages
        time.sleep(LOOK_EVERY_S)
