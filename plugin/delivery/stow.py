"""STOW-RS (PS3.18 10.5): the Store Instances response names each instance, stored or failed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset

from pipelines.errors import PassingTrouble
from plugin.delivery.association import with_status
from plugin.delivery.destination import DicomwebDestination
from plugin.delivery.http_session import Answer, HttpSession
from plugin.delivery.images import Image, unconfirmed
from plugin.delivery.progress import Progress
from plugin.delivery.transport import Echo, Read, deleted
from plugin.orthanc_rest import Gone

IMAGES_IN_A_REQUEST = 16
"""So many are sent again after a kill in the middle."""
NO_REASON = 0x0110
ABOUT_THE_IMAGES = (400, 409, 413, 415, 422)
"""Other bad answers are about the server, or the address."""
NOBODY = "/studies?limit=1&StudyInstanceUID=1.2.3"
"""A search that finds no patient."""


@dataclass(frozen=True)
class StowTransport:
    """Requests are streamed: one image at a time is in memory."""

    name: str
    destination: DicomwebDestination
    secret_folder: Path

    def send(self, images: Sequence[Image], read: Read, progress: Progress) -> None:
        with self._session() as session, progress.over(session.hang_up):
            for first in range(0, len(images), IMAGES_IN_A_REQUEST):
                for fate in _stored(session, images[first : first + IMAGES_IN_A_REQUEST], read, progress):
                    progress.note(fate)
                progress.flush()

    def confirm(self, images: Sequence[Image], progress: Progress) -> None:
        """The response was the evidence."""

    def echo(self) -> Echo:
        """QIDO-RS for a study that nobody has; a server that only stores answers that it cannot search."""
        started = time.monotonic()
        with self._session() as session:
            answer = session.call("GET", NOBODY, Accept="application/dicom+json")
        if answer.status >= 500 and answer.status != 501:
            raise PassingTrouble(f"{self.name} answered {answer.status} to a search")
        return Echo(time.monotonic() - started, f"HTTP {answer.status}")

    def _session(self) -> HttpSession:
        return HttpSession(self.name, self.destination, self.secret_folder)


def _stored(session: HttpSession, images: Sequence[Image], read: Read, progress: Progress) -> list[Image]:
    """The images with their fates. A request refused as a whole is made again image by image."""
    gone: list[Image] = []
    boundary = uuid.uuid4().hex
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    body = _multipart(images, read, progress, boundary, gone)
    answer = session.call("POST", "/studies", body, Content_Type=kind, Accept="application/dicom+json")
    named = _named_in(answer)
    if not named and not answer.is_good and answer.status not in ABOUT_THE_IMAGES:
        raise PassingTrouble(
            f"the destination answered {answer.status} to a STOW-RS request",
            remedy="Url must be the base that /studies follows",
        )
    if not named and len(images) > 1:
        return [fate for image in images for fate in _stored(session, [image], read, progress)]
    lost = {image.sop_instance_uid: deleted(image) for image in gone}
    return [lost.get(image.sop_instance_uid) or _fate(image, named, answer) for image in images]


def _multipart(
    images: Sequence[Image], read: Read, progress: Progress, boundary: str, gone: list[Image]
) -> Iterator[bytes]:
    for image in images:
        try:
            data = read(image)
        except Gone:
            gone.append(image)
            continue
        progress.move()
        # Without `transfer-syntax`: Orthanc's plugin passes over parts that name it, and answers 200.
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        yield data
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def _fate(image: Image, named: Mapping[str, int], answer: Answer) -> Image:
    if image.sop_instance_uid in named:
        return with_status(image, named[image.sop_instance_uid])
    if named or answer.is_good:
        return unconfirmed(image, "the response does not name it")
    return replace(image, state="refused", status=None, comment=f"HTTP {answer.status}")


def _named_in(answer: Answer) -> dict[str, int]:
    """SOP Instance UID to 0 or Failure Reason (0008,1197); warnings (0008,1196) count as such.

    PS3.18 10.5.3: Referenced SOP Sequence and Failed SOP Sequence. Whatever the status of the answer.
    """
    try:
        response = Dataset.from_json(answer.body.decode("utf-8"))
    except (ValueError, TypeError, KeyError, AttributeError):  # some other JSON, or none
        return {}
    failed = [
        (item.get("ReferencedSOPInstanceUID"), item.get("FailureReason", NO_REASON))
        for item in response.get("FailedSOPSequence", None) or ()
    ]
    stored = [
        (item.get("ReferencedSOPInstanceUID"), item.get("WarningReason", 0))
        for item in response.get("ReferencedSOPSequence", None) or ()
    ]
    return {str(uid): int(reason or 0) for uid, reason in [*failed, *stored] if uid}
