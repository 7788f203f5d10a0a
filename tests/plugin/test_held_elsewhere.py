"""What a release says where the held result is not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from plugin.ledger import Ledger
from plugin.people import not_here
from tests.plugin.test_ledger import a_job


@pytest.mark.parametrize(
    ("url", "what", "remedy"),
    [
        ("sqlite://", "is gone", "run the series again"),
        ("postgresql+psycopg://nowhere/db", "is not on this node", "the node that ran the job"),
    ],
)
def test_of_nodes_on_one_database_each_speaks_for_itself_only(url: str, what: str, remedy: str) -> None:
    conflict = not_here(Ledger(sa.create_engine(url)), a_job(state="held"))
    assert what in conflict.what
    assert remedy in conflict.remedy
