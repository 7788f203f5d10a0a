"""A worker process: takes jobs from the queue, one at a time, and runs the path.

Started by the node with its life line on standard input. Ending it at any moment is safe: a job's step is run
again from its start and writes the same objects.
"""

from __future__ import annotations

import logging
import threading

from dbos import DBOS

from pipelines.catalog import Catalog
from pipelines.errors import OrthogenError
from pipelines.warm import WarmPipelines
from plugin.database import database_url, open_engine
from plugin.delivery.dispatch import Dispatch
from plugin.durable import configure, hold_slot, take_from
from plugin.folders import Folders
from plugin.hand_over import HandOver, end_now, follow_life_line, read_hand_over, say_ready
from plugin.ledger import Ledger
from plugin.logs import log_to_stderr
from plugin.orthanc_rest import OrthancRest
from plugin.perform import Performer
from plugin.settings import pipeline_folders, read_settings
from plugin.submit import INFERENCE_QUEUE, WORKFLOW, Queue

POLL_S = 0.1
CRASHES_ALLOWED = 2
"""After this many crashes of a worker under one job the third is its last."""

log = logging.getLogger(__name__)


def main() -> None:
    log_to_stderr("worker")
    hand_over = read_hand_over()
    follow_life_line(on_line=lambda: None, on_end=end_now)
    try:
        serve(hand_over)
    except OrthogenError as error:
        log.error("%s", error)
        end_now(2)


def serve(hand_over: HandOver) -> None:
    """Runs until the life line ends."""
    settings = read_settings(hand_over.section)
    slot = hold_slot(hand_over.state, f"worker-{hand_over.slot}")
    engine = open_engine(database_url(settings.database, hand_over.state))
    ledger = Ledger(engine)
    performer = Performer(
        orthanc=OrthancRest(hand_over.address),
        ledger=ledger,
        queue=Queue(ledger),
        dispatch=Dispatch(ledger),
        catalog=Catalog.load(pipeline_folders(settings)),
        settings=settings,
        folders=Folders(hand_over.state),
        pipelines=WarmPipelines(settings.execution),
    )
    performer.warm()
    register(performer)
    configure(engine, settings.database, hand_over.state, str(hand_over.slot))
    take_from({INFERENCE_QUEUE: 1}, POLL_S)
    say_ready()
    threading.Event().wait()
    slot.close()


def register(performer: Performer) -> None:
    """The durable workflow: one step, because the path is one stream."""

    @DBOS.step(name="perform")
    def perform(job_id: str, attempt: int) -> str:
        return performer.perform(job_id, attempt)

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=CRASHES_ALLOWED)
    def run(job_id: str, attempt: int) -> str:
        return perform(job_id, attempt)


if __name__ == "__main__":
    main()
