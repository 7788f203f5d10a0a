"""One turn of one delivery: what is still pending is sent, then confirmed, or it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from pipelines.errors import ConfigurationError, JobInterrupted, OrthogenError, PassingTrouble
from plugin.database import NoAnswer
from plugin.delivery.association import Peer
from plugin.delivery.committing import Committing
from plugin.delivery.contact import contact_in, note_failure, pause_s
from plugin.delivery.deliveries import Delivery, change_delivery, delivery_in, is_same
from plugin.delivery.destination import Destination, DicomDestination
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.dispatch import NOT_CONFIGURED, Dispatch
from plugin.delivery.ending import end_by_images
from plugin.delivery.images import Image, images_in, in_state
from plugin.delivery.plan import Planner
from plugin.delivery.progress import Progress, hung_up_when_lost
from plugin.delivery.ways import transport_to
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.settings import Settings
from plugin.space import NoSpace, no_space_in

ASK_AGAIN_S = 0.5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deliverer:
    """What the sender keeps between deliveries."""

    orthanc: OrthancRest
    dispatch: Dispatch
    settings: Settings
    book: DestinationBook
    own_aet: str
    committing: Committing

    def deliver(self, job_id: str, destination: str, turn: int) -> str:
        """Takes the turn and writes its end; returns the delivery's state as it was left.

        While the database does not answer it waits, then takes the turn anew.
        """
        while True:
            try:
                return self._deliver(job_id, destination, turn)
            except NoAnswer as error:
                log.warning("delivery of job %s to %s: %s", job_id, destination, error)
            time.sleep(ASK_AGAIN_S)

    def _deliver(self, job_id: str, destination: str, turn: int) -> str:
        configured = self.book.destinations().get(destination)
        with self.dispatch.ledger.transaction() as connection:
            delivery = delivery_in(connection, job_id, destination)
            if delivery is None or delivery.turn != turn:
                return "superseded"
            if configured is None:
                return self._end_unconfigured(connection, delivery)
            if self._put_off(connection, delivery, configured):
                return "waiting"
            if not self._claim(connection, delivery):
                return "superseded"
            delivery = delivery_in(connection, job_id, destination) or delivery
        return self._attempt(delivery, configured)

    def _attempt(self, delivery: Delivery, destination: Destination) -> str:
        progress = Progress(self.dispatch.ledger, delivery, destination.timeout_seconds)
        try:
            with hung_up_when_lost(progress):
                return self._send_and_confirm(delivery, destination, progress)
        except JobInterrupted:
            return "interrupted"
        except (NoSpace, NoAnswer):
            raise  # waited out
        except OwnTrouble as trouble:
            return self._put_back(delivery, str(trouble))
        except (PassingTrouble, ConfigurationError) as trouble:  # the configuration can be mended
            return self._try_again(delivery, destination, str(trouble), took_nothing=not progress.sent)
        except OrthogenError as error:
            return self._fail(delivery, str(error))
        except Exception as error:
            if full := no_space_in(error):
                raise full from error
            log.exception("delivery of job %s to %s broke off", delivery.job_id, delivery.destination)
            reason = "an unexpected error; the sender's log has it under the job's id"
            return self._try_again(delivery, destination, reason, took_nothing=False)

    def _end_unconfigured(self, connection: sa.Connection, delivery: Delivery) -> str:
        return "failed" if self.dispatch.end(connection, delivery, "failed", NOT_CONFIGURED) else "superseded"

    def _put_off(self, connection: sa.Connection, delivery: Delivery, destination: Destination) -> bool:
        """While the breaker is open, and outside its hours, the destination is not called."""
        contact = contact_in(connection, delivery.destination)
        rest_s = contact.rest_until - time.time()
        if rest_s > 0:
            reason = "the destination took nothing; it is left alone for a while"
            return self._wait(connection, delivery, rest_s, reason, contact.last_error)
        now = datetime.now()
        opens = destination.opens(now)
        if opens > now:
            reason = f"its hours; they begin at {opens:%Y-%m-%d %H:%M} local time"
            return self._wait(connection, delivery, opens.timestamp() - now.timestamp(), reason)
        return False

    def _wait(
        self,
        connection: sa.Connection,
        delivery: Delivery,
        delay_s: float,
        waits_for: str,
        error: str | None = None,
    ) -> bool:
        return self.dispatch.next_turn(
            connection, delivery, delay_s=delay_s, state="waiting", waits_for=waits_for, last_error=error
        )

    def _put_back(self, delivery: Delivery, reason: str) -> str:
        """The destination is not to blame, so its breaker stays as it is."""
        delay_s = pause_s(self.settings.retry_seconds, delivery.attempts)
        with self.dispatch.ledger.transaction() as connection:
            return "waiting" if self._wait(connection, delivery, delay_s, reason, reason) else "interrupted"

    def _claim(self, connection: sa.Connection, delivery: Delivery) -> bool:
        return change_delivery(
            connection,
            delivery,
            state="sending",
            attempts=delivery.attempts + 1,
            started=delivery.started or time.time(),
            next_attempt=None,
            waits_for=None,
        )

    def _send_and_confirm(self, delivery: Delivery, destination: Destination, progress: Progress) -> str:
        secrets = Path(self.settings.secret_folder)
        transport = transport_to(delivery.destination, destination, self.own_aet, secrets)
        with not_the_destinations():
            planned = Planner(self.orthanc, self.dispatch.ledger).planned(delivery, destination)
        transport.send(in_state(planned, "pending"), self._file, progress)
        transport.confirm(in_state(self._images(delivery), "stored"), progress)
        images = self._images(delivery)
        require_all_taken(images)
        wants_commitment = destination.confirms_later and in_state(images, "stored")
        if isinstance(destination, DicomDestination) and wants_commitment:
            peer = Peer(delivery.destination, destination, self.own_aet)
            return self.committing.ask(peer, delivery, progress)
        with self.dispatch.ledger.transaction() as connection:
            return end_by_images(self.dispatch, connection, delivery, images)

    def _file(self, image: Image) -> bytes:
        with not_the_destinations():
            return self.orthanc.instance_file(image.instance_orthanc_id)

    def _images(self, delivery: Delivery) -> list[Image]:
        with self.dispatch.ledger.engine.connect() as connection:
            return images_in(connection, delivery)

    def _try_again(
        self, delivery: Delivery, destination: Destination, reason: str, *, took_nothing: bool
    ) -> str:
        limit_h = destination.give_up_after_hours
        first_s = self.settings.retry_seconds
        with self.dispatch.ledger.transaction() as connection:
            present = delivery_in(connection, delivery.job_id, delivery.destination) or delivery
            if present.state != "sending" or not is_same(present, delivery):
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
            self._wait(connection, present, delay_s, "its next attempt", reason)
        return "waiting"

    def _fail(self, delivery: Delivery, reason: str) -> str:
        with self.dispatch.ledger.transaction() as connection:
            self.dispatch.end(connection, delivery, "failed", reason)
        return "failed"


class OwnTrouble(PassingTrouble):
    """Our own Orthanc does not answer just now."""


@contextmanager
def not_the_destinations() -> Iterator[None]:
    """Tells trouble with our own Orthanc from trouble with the destination."""
    try:
        yield
    except (Gone, NoSpace, NoAnswer):
        raise
    except PassingTrouble as trouble:
        raise OwnTrouble(trouble.what, remedy=trouble.remedy) from trouble


def require_all_taken(images: Sequence[Image]) -> None:
    """Raises PassingTrouble while the destination has turned images away for now."""
    left = in_state(images, "pending")
    if left:
        last = next((image for image in left if image.comment or image.status is not None), left[0])
        code = "" if last.status is None else f" with 0x{last.status:04X}"
        why = f" ({last.comment})" if last.comment else ""
        raise PassingTrouble(f"{len(left)} of {len(images)} images were turned away for now{code}{why}")
