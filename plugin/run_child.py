"""What worker and sender have in common: from the hand-over by the parent to the end of the life line."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
import sqlalchemy as sa

from pipelines.errors import OrthogenError
from plugin.bell import Bell
from plugin.database import NoAnswer, database_url, prepare_database
from plugin.durable import Executor
from plugin.hand_over import HandOver, end_now, follow_life_line, read_hand_over, say_called, say_ready
from plugin.holding import lay_down
from plugin.logs import log_to_stderr
from plugin.settings import Settings, read_settings

LAY_DOWN_WITHIN_S = 1.0
Serve = Callable[[HandOver, Settings, Executor], None]

log = logging.getLogger(__name__)


def run_child(name: str, calls: str, serve: Serve) -> None:
    """Runs until the life line ends. `serve` begins to take work from queues, and returns."""
    log_to_stderr(name)
    hand_over = read_hand_over()
    bell = Bell()
    begun: list[Executor] = []
    follow_life_line(on_line=bell.ring, on_end=lambda: _end(begun))
    try:
        settings = read_settings(hand_over.section)
        begun.append(_begin(hand_over, settings, calls, bell))
        serve(hand_over, settings, begun[0])
    except OrthogenError as error:
        log.error("%s", error)
        end_now(2)
    say_ready()
    threading.Event().wait()


def _begin(hand_over: HandOver, settings: Settings, calls: str, bell: Bell) -> Executor:
    try:
        if not hand_over.is_at_node:  # it may come before the node
            prepare_database(database_url(settings.database, hand_over.state))
        space = settings.space(hand_over.written_folders)
        return Executor.begin(
            settings.database, hand_over.state, calls, bell, say_called, lambda: "; ".join(space.shortages())
        )
    except psycopg.OperationalError as error:
        raise NoAnswer(sa.make_url(settings.database), error) from error


def _end(begun: list[Executor]) -> None:
    """In good order if the database answers at once: what is under way is then nobody's crash."""
    for executor in begun:
        laying = threading.Thread(target=lay_down, args=(executor.ledger, executor.name), daemon=True)
        laying.start()
        laying.join(LAY_DOWN_WITHIN_S)
    end_now()
