"""The sender process: takes deliveries from the queues of the destinations, and hears their reports.

Started by the node with its life line on standard input. Ending it at any moment is safe: a turn that was
broken off is taken again and sends what is not known to be stored.
"""

from __future__ import annotations

import time

from dbos import DBOS

from plugin.delivery.association import quiet_pynetdicom
from plugin.delivery.commitment import Reports
from plugin.delivery.committing import Committing
from plugin.delivery.deliver import Deliverer
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.dispatch import CALLS, WORKFLOW, Dispatch
from plugin.delivery.queues import Queues, ReportsPort
from plugin.durable import Executor
from plugin.hand_over import HandOver
from plugin.orthanc_rest import OrthancRest
from plugin.run_child import run_child
from plugin.settings import Settings
from plugin.space import once_there_is_room

CRASHES_ALLOWED = 20
ASK_AGAIN_AFTER_S = 2.0
"""After a start: time for reports that were refused while nobody listened and are repeated now."""


def serve(hand_over: HandOver, settings: Settings, executor: Executor) -> None:
    """Raises ConfigurationError if the port for reports is in use."""
    started = time.time()
    book = DestinationBook(executor.ledger.engine)
    dispatch = Dispatch(executor.ledger)
    reports = Reports(dispatch)
    committing = Committing(dispatch, reports, has_port=settings.commitment_port is not None)
    orthanc = OrthancRest(hand_over.address)
    deliverer = Deliverer(orthanc, dispatch, settings, book, hand_over.called_ae_title, committing)
    register(deliverer, executor)
    port = ReportsPort(reports, hand_over.called_ae_title, settings.commitment_port, settings.commitment_tls)
    queues = Queues(book, dispatch, port, executor.launch())
    queues.look()
    dispatch.ask_again(before=started, delay_s=ASK_AGAIN_AFTER_S)
    queues.follow(executor.bell.ears())


def register(deliverer: Deliverer, executor: Executor) -> None:
    """The durable workflow: one step, because what it has done is kept image by image."""

    @DBOS.step(name="send")
    def send(job_id: str, destination: str, turn: int) -> str:
        state = once_there_is_room(lambda: deliverer.deliver(job_id, destination, turn))
        executor.bell.ring()  # there is room for the next delivery
        return state

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=CRASHES_ALLOWED)
    def deliver(job_id: str, destination: str, turn: int) -> str:
        return send(job_id, destination, turn)


def main() -> None:
    quiet_pynetdicom()
    run_child("sender", CALLS, serve)


if __name__ == "__main__":
    main()
