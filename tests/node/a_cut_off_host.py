"""Hosts for tests: network namespaces, each on a link of its own that can be cut."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.node.a_node import ROOT

ORTHOGEN = Path(sys.executable).with_name("orthogen")


@dataclass(frozen=True)
class AHost:
    """A namespace, and the address at which it reaches this machine."""

    namespace: str
    link: str
    gateway: str

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[str]:
        """A command on this host; its standard output is a pipe, its standard error goes into the file."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=log.open("a"),
            text=True,
            cwd=ROOT,
        )

    def cut_off(self) -> None:
        _ip("link", "set", self.link, "down")

    def reconnect(self) -> None:
        _ip("link", "set", self.link, "up")

    def runs(self, pid: int) -> bool:
        """Whether the process with this id is one of this host's."""
        return pid in {int(each) for each in _ip("netns", "pids", self.namespace).split()}


@contextmanager
def a_host(number: int) -> Iterator[AHost]:
    """The `number`-th host, 0 to 63; skips the test where no namespace can be made. The addresses are of the
    block for tests of devices (RFC 2544)."""
    mark = os.getpid() % 256
    network = f"198.18.{mark}.{4 * number}"
    gateway, own = _next(network, 1), _next(network, 2)
    host = AHost(f"og{mark}-{number}", f"og{mark}-{number}", gateway)
    inner = f"{host.link}i"
    try:
        _ip("netns", "add", host.namespace)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace can be made here (needs root and iproute2): {error}")
    try:
        _ip("link", "add", host.link, "type", "veth", "peer", "name", inner, "netns", host.namespace)
        _ip("address", "add", f"{gateway}/30", "dev", host.link)
        _ip("link", "set", host.link, "up")
        inside: Sequence[str] = ("-n", host.namespace)
        _ip(*inside, "address", "add", f"{own}/30", "dev", inner)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "set", inner, "up")
        yield host
    finally:
        _ip("netns", "delete", host.namespace)


def _next(network: str, by: int) -> str:
    stem, _, last = network.rpartition(".")
    return f"{stem}.{int(last) + by}"


def _ip(*arguments: str) -> str:
    command = ["/usr/sbin/ip", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
