"""Studies for the node's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.a_node import ROOT


@pytest.fixture(scope="session")
def ct_files() -> list[Path]:
    """The demonstration CT, 24 slices in order, JPEG-LS lossless."""
    return sorted((ROOT / "demo" / "ct_lidc_0314").glob("*.dcm"))


@pytest.fixture(scope="session")
def mr_files() -> list[Path]:
    return sorted((ROOT / "demo" / "mr_brain_pd").glob("*.dcm"))
