"""Destinations and deliveries as people see them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from pipelines.errors import PassingTrouble
from plugin.delivery.association import Peer, associated
from plugin.delivery.contact import contact_in
from plugin.delivery.deliveries import Delivery, deliveries_in, depth
from plugin.delivery.images import images_in, in_state
from plugin.ledger import Job, Ledger
from plugin.moment import moment
from plugin.settings import Destination, Settings


def shown_deliveries(ledger: Ledger, job: Job) -> list[dict[str, Any]]:
    """The field `deliveries` of a job."""
    if not job.send_to:
        return []
    with ledger.engine.connect() as connection:
        found = deliveries_in(connection, job_id=job.id)
        return [_shown(delivery, images_in(connection, delivery)) for delivery in found]


def shown_destinations(ledger: Ledger, settings: Settings) -> list[dict[str, Any]]:
    """What `GET /destinations` answers: configuration without secrets, and how it goes."""
    return [_shown_destination(ledger, name, each) for name, each in settings.destinations.items()]


def destination_alerts(ledger: Ledger, settings: Settings) -> list[str]:
    """Destinations that have failed for long enough to call somebody."""
    with ledger.engine.connect() as connection:
        found = [contact_in(connection, name).alert for name in settings.destinations]
    return [alert for alert in found if alert]


def echo(peer: Peer) -> dict[str, Any]:
    """C-ECHO (PS3.7 9.1.5): seconds for association and answer.

    Raises:
        PassingTrouble: the destination does not answer; the text says why.
    """
    started = time.monotonic()
    with associated(peer, [build_context(Verification)]) as association:
        answer = association.send_c_echo()
        if "Status" not in answer:
            raise PassingTrouble(f"{peer.name} does not answer a C-ECHO")
        status = int(answer.Status)
    seconds = round(time.monotonic() - started, 3)
    return {"destination": peer.name, "seconds": seconds, "status": f"0x{status:04X}"}


def _shown(delivery: Delivery, images: Sequence[Any]) -> dict[str, Any]:
    stored = in_state(images, "stored", "committed")
    return {
        "destination": delivery.destination,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "images": len(images),
        "sent": len(stored),
        "committed": len(in_state(images, "committed")),
        "refused": [image.as_json for image in in_state(images, "refused")],
        "warned": [image.as_json for image in stored if image.comment],
        "last_error": delivery.last_error,
        "next_attempt": moment(delivery.next_attempt),
        "created": moment(delivery.created),
        "started": moment(delivery.started),
        "finished": moment(delivery.finished),
    }


def _shown_destination(ledger: Ledger, name: str, destination: Destination) -> dict[str, Any]:
    with ledger.engine.connect() as connection:
        contact = contact_in(connection, name)
        queue = dict(depth(connection, name))
    return {
        "name": name,
        **destination.model_dump(mode="json"),
        "queue": queue,
        "breaker": contact.breaker,
        "failing_since": moment(contact.failing_since),
        "rests_until": moment(contact.rest_until or None),
        "last_success": moment(contact.last_success),
        "last_error": contact.last_error,
        "last_error_at": moment(contact.last_error_at),
    }
