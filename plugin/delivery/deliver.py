"""One turn of one delivery: what is still pending is sent, then commitment is asked for, or it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from pynetdicom.association import Association

from pipelines.errors import JobInterrupted, OrthogenError, PassingTrouble
from plugin.delivery.association import Peer, associated, batches, c_store, contexts_for
from plugin.delivery.commitment import Reports, commitment_context, note_request, request
from plugin.delivery.contact import contact_in, note_failure, pause_s
from plugin.delivery.deliveries import Delivery, change_delivery, delivery_in
from plugin.delivery.dispatch import Dispatch
from plugin.delivery.ending import end_by_images, settle
from plugin.delivery.images import Image, images_in, in_state, plan_images
from plugin.delivery.progress import Progress, hung_up_when_lost
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.settings import Destination, Settings

REPORT_WITHIN_S = 4 * 3600.0
"""Without a report by then, commitment is asked for again."""
STAY_FOR_REPORT_S = 10.0
STAY_WITH_PORT_S = 1.0
"""How long our association is held for a report; shorter when reports can come on one of their own."""
TURNED_AWAY_IN_A_ROW = 5
RUN_AGAIN = 'send the series to its pipeline again with "force": true'

log = logging.getLogger(__name__)


class GivenUp(OrthogenError):
    """The delivery cannot succeed any more."""


@dataclass(frozen=True)
class Deliverer:
    """What the sender keeps between deliveries."""

    orthanc: OrthancRest
    dispatch: Dispatch
    settings: Settings
    own_aet: str
    reports: Reports

    @property
    def destinations(self) -> Mapping[str, Destination]:
        return self.settings.destinations

    def deliver(self, job_id: str, destination: str, turn: int) -> str:
        """Takes the turn and writes its end; returns the delivery's state as it was left."""
        with self.dispatch.ledger.transaction() as connection:
            delivery = delivery_in(connection, job_id, destination)
            if delivery is None or delivery.turn != turn:
                return "superseded"
            if self._put_off(connection, delivery):
                return "waiting"
            if not self._claim(connection, delivery):
                return "superseded"
            delivery = delivery_in(connection, job_id, destination) or delivery
        return self._attempt(delivery)

    def _attempt(self, delivery: Delivery) -> str:
        limit_s = self.destinations[delivery.destination].timeout_seconds
        progress = Progress(self.dispatch.ledger, delivery, limit_s)
        try:
            with hung_up_when_lost(progress):
                return self._send_and_commit(delivery, progress)
        except JobInterrupted:
            return "interrupted"
        except PassingTrouble as trouble:
            return self._try_again(delivery, str(trouble), took_nothing=not progress.sent)
        except OrthogenError as error:
            return self._fail(delivery, str(error))
        except Exception:
            log.exception("delivery of job %s to %s broke off", delivery.job_id, delivery.destination)
            reason = "an unexpected error; the sender's log has it under the job's id"
            return self._try_again(delivery, reason, took_nothing=False)

    def _put_off(self, connection: sa.Connection, delivery: Delivery) -> bool:
        """While the breaker is open the destination is not called."""
        contact = contact_in(connection, delivery.destination)
        rest_s = contact.rest_until - time.time()
        return rest_s > 0 and self.dispatch.next_turn(
            connection, delivery, delay_s=rest_s, state="waiting", last_error=contact.last_error
        )

    def _claim(self, connection: sa.Connection, delivery: Delivery) -> bool:
        return change_delivery(
            connection,
            delivery,
            state="sending",
            attempts=delivery.attempts + 1,
            started=delivery.started or time.time(),
            next_attempt=None,
        )

    def _send_and_commit(self, delivery: Delivery, progress: Progress) -> str:
        peer = Peer(delivery.destination, self.destinations[delivery.destination], self.own_aet)
        for part in batches(in_state(self._planned(delivery), "pending")):
            with associated(peer, contexts_for(part)) as association, progress.over(association):
                self._send(association, part, progress)
        images = self._images(delivery)
        require_all_taken(images)
        if peer.destination.storage_commitment and in_state(images, "stored"):
            return self._commit(peer, delivery, progress)
        with self.dispatch.ledger.transaction() as connection:
            return end_by_images(self.dispatch, connection, delivery, images)

    def _planned(self, delivery: Delivery) -> list[Image]:
        """The images as planned at the first attempt, so that none is lost from sight later."""
        planned = self._images(delivery)
        if planned:
            return planned
        job = self.dispatch.ledger.job(delivery.job_id)
        images = [image for uid in (job.result_series_uids if job else ()) for image in self._found(uid)]
        if not images:
            raise GivenUp("the job has no result images", remedy=RUN_AGAIN)
        with self.dispatch.ledger.transaction() as connection:
            plan_images(connection, delivery, images)
        return images

    def _found(self, series_instance_uid: str) -> list[Image]:
        series = self.orthanc.find_series(series_instance_uid)
        if series is None:
            raise GivenUp(f"result series {series_instance_uid} is not in Orthanc", remedy=RUN_AGAIN)
        return [self._image(entry) for entry in self.orthanc.instances_of(series)]

    def _image(self, entry: Mapping[str, object]) -> Image:
        orthanc_id, tags = str(entry["ID"]), entry["MainDicomTags"]
        assert isinstance(tags, dict)
        kept = self.orthanc.metadata(orthanc_id)
        return Image(tags["SOPInstanceUID"], kept["SopClassUid"], kept["TransferSyntax"], orthanc_id)

    def _images(self, delivery: Delivery) -> list[Image]:
        with self.dispatch.ledger.engine.connect() as connection:
            return images_in(connection, delivery)

    def _send(self, association: Association, images: Sequence[Image], progress: Progress) -> None:
        turned_away = 0
        try:
            for image in images:
                fate = self._sent(association, image)
                turned_away = turned_away + 1 if fate.state == "pending" else 0
                progress.note(fate)
                if turned_away == TURNED_AWAY_IN_A_ROW:
                    return
        finally:
            progress.flush()

    def _sent(self, association: Association, image: Image) -> Image:
        try:
            data = self.orthanc.instance_file(image.instance_orthanc_id)
        except Gone:
            return replace(image, state="refused", comment="it was deleted from Orthanc before it was sent")
        return c_store(association, image, data)

    def _commit(self, peer: Peer, delivery: Delivery, progress: Progress) -> str:
        with self.dispatch.ledger.transaction() as connection:
            transaction_uid = note_request(connection, delivery)
            wanted = in_state(images_in(connection, delivery), "stored")
        contexts = [commitment_context()]
        with associated(peer, contexts, self.reports.handlers) as association, progress.over(association):
            request(association, transaction_uid, wanted)
            state = self._await_report(delivery)
            self._stay(association, delivery)
        return state

    def _await_report(self, delivery: Delivery) -> str:
        """From here on the report ends the delivery, unless it has come already.

        The row is changed before the images are read: a report that comes meanwhile sees one or the other.
        """
        with self.dispatch.ledger.transaction() as connection:
            waits: dict[str, Any] = {"delay_s": REPORT_WITHIN_S, "state": "committing"}
            if not self.dispatch.next_turn(connection, delivery, **waits):
                return "superseded"
            self.dispatch.hasten(connection, delivery.destination)
            settle(self.dispatch, connection, replace(delivery, turn=delivery.turn + 1))
        return "committing"

    def _stay(self, association: Association, delivery: Delivery) -> None:
        stay_s = STAY_WITH_PORT_S if self.settings.commitment_port else STAY_FOR_REPORT_S
        deadline = time.monotonic() + stay_s
        while time.monotonic() < deadline and association.is_established:
            with self.dispatch.ledger.engine.connect() as connection:
                present = delivery_in(connection, delivery.job_id, delivery.destination)
            if present is None or present.state != "committing":
                return
            time.sleep(0.05)

    def _try_again(self, delivery: Delivery, reason: str, *, took_nothing: bool) -> str:
        limit_h = self.destinations[delivery.destination].give_up_after_hours
        first_s = self.settings.retry_seconds
        with self.dispatch.ledger.transaction() as connection:
            present = delivery_in(connection, delivery.job_id, delivery.destination) or delivery
            if present.state != "sending" or present.turn != delivery.turn:
                return "interrupted"
            note_failure(
                connection, delivery.destination, reason, took_nothing=took_nothing, first_pause_s=first_s
            )
            if time.time() - (present.started or time.time()) > limit_h * 3600:
                self.dispatch.end(
                    connection, present, "failed", f"given up after {limit_h:g} hours: {reason}"
                )
                return "failed"
            delay_s = pause_s(first_s, present.attempts)
            self.dispatch.next_turn(connection, present, delay_s=delay_s, state="waiting", last_error=reason)
        return "waiting"

    def _fail(self, delivery: Delivery, reason: str) -> str:
        with self.dispatch.ledger.transaction() as connection:
            self.dispatch.end(connection, delivery, "failed", reason)
        return "failed"


def require_all_taken(images: Sequence[Image]) -> None:
    """Raises PassingTrouble while the destination has turned images away for now."""
    left = in_state(images, "pending")
    if left:
        status = next((image.status for image in left if image.status is not None), None)
        code = "" if status is None else f" with 0x{status:04X} (out of resources)"
        raise PassingTrouble(f"{len(left)} of {len(images)} images were turned away for now{code}")
