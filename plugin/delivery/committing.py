"""After the images, storage commitment: asked for, waited for, asked for again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pynetdicom.association import Association

from plugin.delivery.association import Peer, associated, hang_up
from plugin.delivery.commitment import Reports, commitment_context, note_request, request
from plugin.delivery.deliveries import Delivery, delivery_in
from plugin.delivery.dispatch import Dispatch
from plugin.delivery.ending import settle
from plugin.delivery.images import images_in, in_state
from plugin.delivery.progress import Progress

STAY_FOR_REPORT_S = 10.0
STAY_WITH_PORT_S = 1.0
"""How long our association is held for a report; shorter when reports can come on one of their own."""


@dataclass(frozen=True)
class Committing:
    """What asking needs."""

    dispatch: Dispatch
    reports: Reports
    has_port: bool
    """Whether reports may come on an association that the destination opens."""

    def ask(self, peer: Peer, delivery: Delivery, progress: Progress) -> str:
        """Leaves the delivery `committing`, unless the report has come by then."""
        with self.dispatch.ledger.transaction() as connection:
            transaction_uid = note_request(connection, delivery)
            wanted = in_state(images_in(connection, delivery), "stored")
        contexts = [commitment_context()]
        with (
            associated(peer, contexts, self.reports.handlers) as association,
            progress.over(partial(hang_up, association)),
        ):
            request(association, transaction_uid, wanted)
            state = self._await_report(delivery, peer.destination.commitment_within_seconds)
            self._stay(association, delivery)
        return state

    def _await_report(self, delivery: Delivery, within_s: float) -> str:
        """From here on the report ends the delivery, unless it has come already.

        The row is changed before the images are read: a report that comes meanwhile sees one or the other.
        """
        with self.dispatch.ledger.transaction() as connection:
            waits: dict[str, Any] = {"state": "committing", "waits_for": "the report of storage commitment"}
            if not self.dispatch.next_turn(connection, delivery, delay_s=within_s, **waits):
                return "superseded"
            self.dispatch.hasten(connection, delivery.destination)
            settle(self.dispatch, connection, replace(delivery, turn=delivery.turn + 1))
        return "committing"

    def _stay(self, association: Association, delivery: Delivery) -> None:
        deadline = time.monotonic() + (STAY_WITH_PORT_S if self.has_port else STAY_FOR_REPORT_S)
        while time.monotonic() < deadline and association.is_established:
            with self.dispatch.ledger.engine.connect() as connection:
                present = delivery_in(connection, delivery.job_id, delivery.destination)
            if present is None or present.state != "committing":
                return
            time.sleep(0.05)
