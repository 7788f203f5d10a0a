"""Which queues the sender takes from, and whether it listens for reports: as the destinations want."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from dbos import DBOS

from pipelines.errors import OrthogenError
from plugin.bell import Ears
from plugin.delivery.commitment import Reports
from plugin.delivery.credentials import Tls
from plugin.delivery.destination import Destination, DicomDestination
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.dispatch import Dispatch, queue_of
from plugin.durable import Intake

LOOK_EVERY_S = 5.0

log = logging.getLogger(__name__)


@dataclass
class ReportsPort:
    """Opened once a destination wants commitment."""

    reports: Reports
    own_aet: str
    port: int | None
    tls: Tls | None
    is_open: bool = False

    def open(self) -> None:
        """Raises ConfigurationError if the port is in use, or its certificate cannot be used."""
        if self.port is not None and not self.is_open:
            self.reports.listen(self.own_aet, self.port, self.tls)
            self.is_open = True


@dataclass
class Queues:
    """One per destination; a queue whose destination is gone stays, empty."""

    book: DestinationBook
    dispatch: Dispatch
    port: ReportsPort
    intake: Intake
    taken: dict[str, int] = field(default_factory=dict)
    """Queue to how many deliveries at once."""
    known: Mapping[str, Destination] = field(default_factory=dict)
    """As they were at the last look."""

    def look(self) -> None:
        """Raises ConfigurationError if the port for reports is in use."""
        destinations = self.book.destinations()
        wanted = {queue_of(name): one.at_once for name, one in destinations.items()}
        for name, at_once in wanted.items():
            if name not in self.taken:
                self.intake.take_from({name: at_once})
            elif self.taken[name] != at_once and (queue := DBOS.retrieve_queue(name)):
                queue.set_worker_concurrency(at_once)
            self.taken[name] = at_once
        for name in [name for name, one in self.known.items() if destinations.get(name, one) != one]:
            self.dispatch.reconsider(name)
        self.known = destinations
        if any(isinstance(one, DicomDestination) and one.storage_commitment for one in destinations.values()):
            self.port.open()

    def follow(self, ears: Ears) -> None:
        """Looks again in a thread, whenever the sender is woken and every few seconds."""

        def keep_looking() -> None:
            while True:
                ears.wait(LOOK_EVERY_S)
                try:
                    self.look()
                except (OrthogenError, sa.exc.SQLAlchemyError) as error:
                    log.error("the changed destinations are not all in use: %s", error)

        threading.Thread(target=keep_looking, name="destinations", daemon=True).start()
