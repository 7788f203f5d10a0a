"""What a delivery is, now that the fate of its images is known."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from plugin.delivery.deliveries import Delivery
from plugin.delivery.dispatch import Dispatch
from plugin.delivery.images import Image, images_in, in_state

MOST_NAMED = 5


def settle(dispatch: Dispatch, connection: sa.Connection, delivery: Delivery) -> None:
    """After a report: sends again what was lost, waits on for what the report left out, or ends."""
    images = images_in(connection, delivery)
    if in_state(images, "pending"):
        dispatch.next_turn(connection, delivery, delay_s=0, state="queued", waits_for=None)
    elif not in_state(images, "stored"):
        end_by_images(dispatch, connection, delivery, images)


def end_by_images(
    dispatch: Dispatch, connection: sa.Connection, delivery: Delivery, images: Sequence[Image]
) -> str:
    """Delivered if no image was refused, else failed; returns which."""
    refused = in_state(images, "refused")
    state = "failed" if refused else "delivered"
    reason = named(refused, len(images)) if refused else None
    if not dispatch.end(connection, delivery, state, reason):
        return "superseded"
    dispatch.hasten(connection, delivery.destination)
    return state


def named(refused: Sequence[Image], of: int) -> str:
    first = [f"{image.sop_instance_uid} ({_why(image)})" for image in refused[:MOST_NAMED]]
    more = f" and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
    return f"{len(refused)} of {of} images were refused: {', '.join(first)}{more}"


def _why(image: Image) -> str:
    code = "" if image.status is None else f"0x{image.status:04X} "
    return f"{code}{image.comment}".strip()
