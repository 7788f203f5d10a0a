"""Shipped pipelines measured twice on real slices give the same digits: what a card says can be had again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.cli import main
from tests.evaluation.evaluated_series import noisy, write_mr_series, write_series


@pytest.mark.parametrize(
    ("pipeline", "write", "deviation"),
    [("ct-denoise", write_series, 40.0), ("mr-denoise", write_mr_series, 40.0)],
)
def test_the_same_bytes(tmp_path: Path, pipeline: str, write: Callable[..., Any], deviation: float) -> None:
    write(tmp_path / "reference", slices=3)
    write(tmp_path / "input", slices=3, role="input", change=noisy(deviation))
    for output in ("first", "second"):
        status = main(
            [
                *("evaluate", "--pipeline", pipeline, "--tiers", "1,2"),
                *("--input", str(tmp_path / "input"), "--reference", str(tmp_path / "reference")),
                *("--output", str(tmp_path / output)),
            ]
        )
        assert status == 0
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert {"evaluation.json", "report.html", "worst-1.png"} <= set(names)
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
