"""Storage commitment (PS3.4 annex J): asking for it, and taking in the report whenever it comes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)
from pynetdicom.status import code_to_category

from pipelines.errors import ConfigurationError, PassingTrouble
from plugin.delivery.credentials import Tls, server_context
from plugin.delivery.deliveries import Delivery, delivery_in
from plugin.delivery.dispatch import Dispatch
from plugin.delivery.ending import settle
from plugin.delivery.images import Image, images_in, in_state, note_fates, unconfirmed
from plugin.tables import COMMITMENTS

REQUEST_COMMITMENT = 1
"""Action Type ID (PS3.4 J.3.2.1)."""
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
REASONS: Mapping[int, str] = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance do not agree",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197), PS3.3 C.14.1.1."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reports:
    """Takes in reports, on any association."""

    dispatch: Dispatch

    def on_report(self, event: evt.Event) -> tuple[int, None]:
        """N-EVENT-REPORT: refused only when it names no transaction of ours or cannot be kept."""
        try:
            known = self.take_in(event.event_information)
        except Exception:
            log.exception("a report of storage commitment could not be taken in")
            return PROCESSING_FAILURE, None
        return (SUCCESS if known else PROCESSING_FAILURE), None

    def take_in(self, report: Dataset) -> bool:
        """Whether the transaction is one of ours; taking in a report twice is the same as once."""
        with self.dispatch.ledger.transaction() as connection:
            delivery = _asked_for(connection, str(report.get("TransactionUID", "")))
            if delivery is None:
                return False
            images = {image.sop_instance_uid: image for image in images_in(connection, delivery)}
            fates = [*_committed(report, images), *_not_committed(report, images)]
            note_fates(connection, delivery, fates)
            present = delivery_in(connection, delivery.job_id, delivery.destination)
            if present is not None and _waits_for_this(present, images_in(connection, present)):
                settle(self.dispatch, connection, present)
        return True

    @property
    def handlers(self) -> list[Any]:
        return [(evt.EVT_N_EVENT_REPORT, self.on_report)]

    def listen(self, own_aet: str, port: int, tls: Tls | None = None) -> None:
        """Hears reports on associations that destinations open, in threads of its own; with `tls` only on
        encrypted ones.

        Raises:
            ConfigurationError: the port is in use, or a certificate cannot be used.
        """
        context = server_context(tls) if tls else None
        entity = AE(ae_title=own_aet)
        entity.add_supported_context(Verification)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        try:
            entity.start_server(("", port), block=False, evt_handlers=self.handlers, ssl_context=context)
        except OSError as error:
            raise ConfigurationError(
                f"Orthogen.CommitmentPort: {port} cannot be listened on ({error.strerror})",
                remedy="choose another port",
            ) from error


def commitment_context() -> PresentationContext:
    return build_context(StorageCommitmentPushModel)


def note_request(connection: sa.Connection, delivery: Delivery) -> str:
    """The Transaction UID of a new request; kept before it is used, as the report may come at once."""
    transaction_uid = str(generate_uid())
    row = {"job_id": delivery.job_id, "destination": delivery.destination, "asked": time.time()}
    connection.execute(sa.insert(COMMITMENTS).values(transaction_uid=transaction_uid, **row))
    return transaction_uid


def request(association: Association, transaction_uid: str, images: Sequence[Image]) -> None:
    """N-ACTION.

    Raises:
        PassingTrouble: the destination did not take the request.
    """
    wanted = Dataset()
    wanted.TransactionUID = transaction_uid
    wanted.ReferencedSOPSequence = [_reference(image) for image in images]
    try:
        answer, _ = association.send_n_action(
            wanted, REQUEST_COMMITMENT, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
    except (ValueError, RuntimeError) as error:
        raise PassingTrouble(
            "the destination takes no request for storage commitment",
            remedy="set StorageCommitment to false if it offers none",
        ) from error
    status = answer.get("Status")
    if status is None:
        raise PassingTrouble("no answer to the request for storage commitment")
    if code_to_category(status) not in ("Success", "Warning"):
        raise PassingTrouble(f"storage commitment was refused with 0x{status:04X}")


def _reference(image: Image) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.sop_class_uid
    item.ReferencedSOPInstanceUID = image.sop_instance_uid
    return item


def _waits_for_this(delivery: Delivery, images: Sequence[Image]) -> bool:
    """Also one that is only to be asked for again, and was put off."""
    asked_again = delivery.state in ("waiting", "queued") and not in_state(images, "pending", "stored")
    return delivery.state == "committing" or asked_again


def _asked_for(connection: sa.Connection, transaction_uid: str) -> Delivery | None:
    query = sa.select(COMMITMENTS).where(COMMITMENTS.c.transaction_uid == transaction_uid)
    row = connection.execute(query).mappings().one_or_none()
    return delivery_in(connection, row["job_id"], row["destination"]) if row else None


def _committed(report: Dataset, images: Mapping[str, Image]) -> list[Image]:
    named = (str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence", None) or ())
    return [replace(image, state="committed") for image in in_state(_known(named, images), "stored")]


def _not_committed(report: Dataset, images: Mapping[str, Image]) -> list[Image]:
    items = report.get("FailedSOPSequence", None) or ()
    reasons = {str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason", 0x0110)) for item in items}
    failed = in_state(_known(reasons, images), "stored")
    return [_not_kept(image, reasons[image.sop_instance_uid]) for image in failed]


def _known(uids: Any, images: Mapping[str, Image]) -> list[Image]:
    return [images[uid] for uid in uids if uid in images]


def _not_kept(image: Image, reason: int) -> Image:
    return unconfirmed(image, f"not committed: {REASONS.get(reason, 'no reason known')}", reason)
