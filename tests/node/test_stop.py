"""SIGTERM ends everything within ten seconds, also in the middle of work."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.node.a_node import ANode, alive, storescu, until


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_mid_inference_leaves_no_process(
    tmp_path: Path, ct_files: list[Path], signal_number: signal.Signals
) -> None:
    with ANode(tmp_path / "storage", {"ParallelSlices": 1}) as node:
        storescu(ct_files, node.dicom_port)
        until(lambda: any(job["state"] == "running" for job in node.jobs()), "a running job")
        everything = node.descendants()
        assert len(everything) >= 4
        assert node.process is not None
        started = time.monotonic()
        node.process.send_signal(signal_number)
        assert node.process.wait(10) == 0
        assert not alive(everything)
        assert time.monotonic() - started < 10
