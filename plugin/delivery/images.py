"""The fate of each image of a delivery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from plugin.delivery.deliveries import Delivery
from plugin.tables import DELIVERY_IMAGES

COMMITMENT_TRIES = 2
"""An image the destination does not confirm is sent once more; then it is named."""


@dataclass(frozen=True)
class Image:
    """One instance on its way: pending, stored, committed or refused; kept if the destination has it from an
    earlier job.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_orthanc_id: str
    state: str = "pending"
    status: int | None = None
    """The DIMSE status, or the Failure Reason (0008,1197) of a commitment; None if it never came to one."""
    comment: str = ""
    commitment_failures: int = 0
    md5: str | None = None
    """Of the file in our Orthanc when the delivery was planned; None where Orthanc keeps none."""

    @property
    def as_json(self) -> dict[str, Any]:
        code = None if self.status is None else f"0x{self.status:04X}"
        return {"sop_instance_uid": self.sop_instance_uid, "status": code, "comment": self.comment}


def plan_images(connection: sa.Connection, delivery: Delivery, images: Iterable[Image]) -> None:
    rows = [
        {"job_id": delivery.job_id, "destination": delivery.destination, **asdict(image)} for image in images
    ]
    connection.execute(sa.insert(DELIVERY_IMAGES), rows)


def images_in(connection: sa.Connection, delivery: Delivery) -> list[Image]:
    """In the order of their UIDs."""
    columns = [column for column in DELIVERY_IMAGES.c if column.name not in ("job_id", "destination")]
    query = sa.select(*columns).where(*_of(delivery)).order_by(DELIVERY_IMAGES.c.sop_instance_uid)
    return [Image(**row) for row in connection.execute(query).mappings()]


def note_fates(connection: sa.Connection, delivery: Delivery, images: Sequence[Image]) -> None:
    """Writes state, status and comment of these images."""
    for image in images:
        change = sa.update(DELIVERY_IMAGES).where(
            *_of(delivery), DELIVERY_IMAGES.c.sop_instance_uid == image.sop_instance_uid
        )
        fate = {"state": image.state, "status": image.status, "comment": image.comment}
        connection.execute(change.values(**fate, commitment_failures=image.commitment_failures))


def try_refused_again(connection: sa.Connection, delivery: Delivery) -> None:
    change = sa.update(DELIVERY_IMAGES).where(*_of(delivery), DELIVERY_IMAGES.c.state == "refused")
    connection.execute(change.values(state="pending", status=None, comment="", commitment_failures=0))


def unconfirmed(image: Image, why: str, status: int | None = None) -> Image:
    """Sent once more; then it is named."""
    failures = image.commitment_failures + 1
    state = "refused" if failures >= COMMITMENT_TRIES else "pending"
    return replace(image, state=state, status=status, comment=why, commitment_failures=failures)


def in_state(images: Iterable[Image], *states: str) -> list[Image]:
    return [image for image in images if image.state in states]


def _of(delivery: Delivery) -> tuple[Any, Any]:
    table = DELIVERY_IMAGES.c
    return table.job_id == delivery.job_id, table.destination == delivery.destination
