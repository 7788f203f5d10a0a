"""The order of the tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that several processes end at about the same time."""
    items.sort(key=lambda item: ("storm" not in item.path.stem, "node" not in item.path.parts))
