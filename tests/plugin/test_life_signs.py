"""Locks that say who lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.life_signs import FileLocks


@pytest.mark.parametrize("name", ["inference-host.example-12-ab", "host/0"])
def test_a_name_is_dead_unless_it_is_held_whatever_it_is_made_of(tmp_path: Path, name: str) -> None:
    """`host/0` is how version 0.1.0 named its workers: their jobs must be found after an upgrade."""
    locks = FileLocks(tmp_path / "locks")
    handle = locks.hold(name)
    assert locks.suspects() == {name}
    with locks.held_if_dead(name) as dead:
        assert not dead
    handle.close()
    with locks.held_if_dead(name) as dead:
        assert dead
    assert locks.suspects() == set()
