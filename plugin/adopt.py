"""What dead processes have left goes on: their jobs are taken from them, and put back into the queue."""

from __future__ import annotations

import logging

from dbos import DBOS

from plugin.holding import take_from_dead
from plugin.ledger import Ledger
from plugin.life_signs import LifeSigns

ADOPTING = "adopting"
"""The lock of the one process that looks, so that a hundred workers do not all ask about one another."""

log = logging.getLogger(__name__)


def adopt_from_dead(ledger: Ledger, signs: LifeSigns, own_name: str) -> int:
    """Returns how many workflows go on.

    First the fence, then the queue: whoever gets the job finds it free, and whoever had it finds it gone.
    """
    adopted = 0
    with signs.held_if_dead(ADOPTING) as mine:
        if mine:
            for name in (_at_work() | signs.suspects()) - {own_name, ADOPTING}:
                adopted += _adopt(ledger, signs, name)
    return adopted


def _at_work() -> set[str]:
    """The executors that DBOS has work of."""
    pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    return {status.executor_id for status in pending if status.executor_id}


def _adopt(ledger: Ledger, signs: LifeSigns, name: str) -> int:
    with signs.held_if_dead(name) as dead:
        if not dead:
            return 0
        aside = take_from_dead(ledger, name)
        adopted = len(DBOS._recover_pending_workflows([name]))  # pinned, and held to by a test
        if adopted or aside:
            log.warning("%s is gone: %d pieces of its work go on, %d are set aside", name, adopted, aside)
        return adopted
