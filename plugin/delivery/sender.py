"""The sender process: takes deliveries from the queues of the destinations, and hears their reports.

Started by the node with its life line on standard input. Ending it at any moment is safe: a turn that was
broken off is taken again and sends what is not known to be stored.
"""

from __future__ import annotations

import logging
import threading

from dbos import DBOS

from pipelines.errors import OrthogenError
from plugin.database import database_url, open_engine
from plugin.delivery.association import quiet_pynetdicom
from plugin.delivery.commitment import Reports
from plugin.delivery.deliver import Deliverer
from plugin.delivery.dispatch import WORKFLOW, Dispatch, queue_of
from plugin.durable import configure, hold_slot, take_from
from plugin.hand_over import HandOver, end_now, follow_life_line, read_hand_over, say_ready
from plugin.ledger import Ledger
from plugin.logs import log_to_stderr
from plugin.orthanc_rest import OrthancRest
from plugin.settings import Settings, read_settings

POLL_S = 0.4
CRASHES_ALLOWED = 20

log = logging.getLogger(__name__)


def main() -> None:
    log_to_stderr("sender")
    quiet_pynetdicom()
    hand_over = read_hand_over()
    follow_life_line(on_line=lambda: None, on_end=end_now)
    try:
        serve(hand_over)
    except OrthogenError as error:
        log.error("%s", error)
        end_now(2)


def serve(hand_over: HandOver) -> None:
    """Runs until the life line ends.

    Raises:
        ConfigurationError: the port for reports is in use.
    """
    settings = read_settings(hand_over.section)
    slot = hold_slot(hand_over.state, "sender")
    engine = open_engine(database_url(settings.database, hand_over.state))
    dispatch = Dispatch(Ledger(engine))
    reports = Reports(dispatch)
    orthanc = OrthancRest(hand_over.address)
    register(Deliverer(orthanc, dispatch, settings, hand_over.called_ae_title, reports))
    if settings.commitment_port and wants_commitment(settings):
        reports.listen(hand_over.called_ae_title, settings.commitment_port)
    configure(engine, settings.database, hand_over.state, "sender")
    take_from({queue_of(name): each.associations for name, each in settings.destinations.items()}, POLL_S)
    say_ready()
    threading.Event().wait()
    slot.close()


def wants_commitment(settings: Settings) -> bool:
    return any(each.storage_commitment for each in settings.destinations.values())


def register(deliverer: Deliverer) -> None:
    """The durable workflow: one step, because what it has done is kept image by image."""

    @DBOS.step(name="send")
    def send(job_id: str, destination: str, turn: int) -> str:
        return deliverer.deliver(job_id, destination, turn)

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=CRASHES_ALLOWED)
    def deliver(job_id: str, destination: str, turn: int) -> str:
        return send(job_id, destination, turn)


if __name__ == "__main__":
    main()
