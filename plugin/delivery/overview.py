"""Destinations and deliveries as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from plugin.delivery.contact import contact_in
from plugin.delivery.deliveries import Delivery, deliveries_in, depth
from plugin.delivery.destination import Destination
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.hidden import hidden_one
from plugin.delivery.images import images_in, in_state
from plugin.ledger import Job, Ledger
from plugin.moment import moment


def shown_deliveries(ledger: Ledger, job: Job) -> list[dict[str, Any]]:
    """The field `deliveries` of a job."""
    if not job.send_to:
        return []
    with ledger.engine.connect() as connection:
        found = deliveries_in(connection, job_id=job.id)
        return [_shown(delivery, images_in(connection, delivery)) for delivery in found]


def shown_destinations(ledger: Ledger, book: DestinationBook) -> list[dict[str, Any]]:
    """What `GET /destinations` answers: configuration without secrets, and how it goes."""
    present = book.in_force()
    written = present.written
    with ledger.engine.connect() as connection:
        return [
            _shown_destination(connection, name, each, written[name])
            for name, each in present.destinations.items()
        ]


def destination_alerts(ledger: Ledger, names: Iterable[str]) -> list[str]:
    """Destinations that have failed for long enough to call somebody."""
    with ledger.engine.connect() as connection:
        found = [contact_in(connection, name).alert for name in names]
    return [alert for alert in found if alert]


def _shown(delivery: Delivery, images: Sequence[Any]) -> dict[str, Any]:
    stored = in_state(images, "stored", "committed")
    return {
        "destination": delivery.destination,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "images": len(images),
        "sent": len(stored),
        "committed": len(in_state(images, "committed")),
        "kept": len(in_state(images, "kept")),
        "refused": [image.as_json for image in in_state(images, "refused")],
        "warned": [image.as_json for image in stored if image.comment],
        "last_error": delivery.last_error,
        "waits_for": delivery.waits_for,
        "next_attempt": moment(delivery.next_attempt),
        "created": moment(delivery.created),
        "started": moment(delivery.started),
        "finished": moment(delivery.finished),
    }


def _shown_destination(
    connection: sa.Connection, name: str, destination: Destination, written: Mapping[str, Any]
) -> dict[str, Any]:
    contact = contact_in(connection, name)
    queue = dict(depth(connection, name))
    now = datetime.now()
    opens = destination.opens(now)
    return {
        "name": name,
        "type": destination.type,
        "address": destination.address,
        "configuration": hidden_one(written),
        "queue": queue,
        "breaker": contact.breaker,
        "failing_since": moment(contact.failing_since),
        "rests_until": moment(contact.rest_until or None),
        "opens": moment(opens.timestamp()) if opens > now else None,
        "last_success": moment(contact.last_success),
        "last_error": contact.last_error,
        "last_error_at": moment(contact.last_error_at),
    }
