"""What a delivery consists of: the job's result images, less what the destination need not get again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from pipelines.errors import OrthogenError
from plugin.delivery.deliveries import Delivery
from plugin.delivery.destination import Destination
from plugin.delivery.images import Image, images_in, plan_images
from plugin.ledger import Job, Ledger
from plugin.orthanc_rest import OrthancRest
from plugin.tables import DELIVERIES, DELIVERY_IMAGES, JOBS

RUN_AGAIN = 'send the series to its pipeline again with "force": true'


class GivenUp(OrthogenError):
    """The delivery cannot succeed any more."""


@dataclass(frozen=True)
class Planner:
    """Reads our Orthanc and the ledger."""

    orthanc: OrthancRest
    ledger: Ledger

    def planned(self, delivery: Delivery, destination: Destination) -> list[Image]:
        """The images as planned at the first attempt, so that none is lost from sight later.

        Raises:
            GivenUp: there is nothing to deliver.
        """
        with self.ledger.engine.connect() as connection:
            planned = images_in(connection, delivery)
        if planned:
            return planned
        job = self.ledger.job(delivery.job_id)
        images = [image for uid in (job.result_series_uids if job else ()) for image in self._found(uid)]
        if job is None or not images:
            raise GivenUp("the job has no result images", remedy=RUN_AGAIN)
        with self.ledger.transaction() as connection:
            before = confirmed_before(connection, delivery, job, destination)
            images = [kept_or_sent(image, before, destination) for image in images]
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
        digest = self.orthanc.file_md5(orthanc_id)
        uid, syntax = tags["SOPInstanceUID"], kept["TransferSyntax"]
        return Image(uid, kept["SopClassUid"], syntax, orthanc_id, md5=digest)


def kept_or_sent(image: Image, before: Mapping[str, str | None], destination: Destination) -> Image:
    """`before`: what the destination has confirmed for earlier jobs, SOP Instance UID to MD5."""
    if destination.when_study_returns == "ALWAYS" or image.sop_instance_uid not in before:
        return image
    same = image.md5 is not None and before[image.sop_instance_uid] == image.md5
    if destination.when_study_returns == "REPLACE" and not same:
        return image
    return replace(image, state="kept", comment="the destination has it from an earlier job")


def confirmed_before(
    connection: sa.Connection, delivery: Delivery, job: Job, destination: Destination
) -> dict[str, str | None]:
    """Of the images of the same source series; the latest of each."""
    table = DELIVERY_IMAGES.c
    query = (
        sa.select(table.sop_instance_uid, table.md5)
        .join(JOBS, JOBS.c.id == table.job_id)
        .join(
            DELIVERIES,
            sa.and_(DELIVERIES.c.job_id == table.job_id, DELIVERIES.c.destination == table.destination),
        )
        .where(
            JOBS.c.source_series_uid == job.source_series_uid,
            table.job_id != job.id,
            table.destination == delivery.destination,
            table.state.in_(confirming_states(destination)),
        )
        .order_by(DELIVERIES.c.created)
    )
    return {uid: digest for uid, digest in connection.execute(query)}


def confirming_states(destination: Destination) -> tuple[str, ...]:
    """The answer to C-STORE or STOW-RS is enough where nothing more is asked for."""
    return ("committed",) if destination.confirms_later else ("stored", "committed")
