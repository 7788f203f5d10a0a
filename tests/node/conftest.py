"""Studies for the node's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.a_node import ROOT
from tests.node.a_postgres import APostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[APostgres]:
    """One cluster for all tests; each takes a `fresh_database()`."""
    with APostgres() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def ct_files() -> list[Path]:
    """The demonstration CT, 24 slices in order, JPEG-LS lossless."""
    return sorted((ROOT / "demo" / "ct_lidc_0314").glob("*.dcm"))


@pytest.fixture(scope="session")
def mr_files() -> list[Path]:
    return sorted((ROOT / "demo" / "mr_brain_pd").glob("*.dcm"))
