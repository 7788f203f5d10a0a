"""Another Orthanc by its REST interface: each image is posted, then looked up there."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.errors import PassingTrouble
from plugin.delivery.destination import OrthancDestination
from plugin.delivery.http_session import Answer, HttpSession
from plugin.delivery.images import Image, unconfirmed
from plugin.delivery.progress import Progress
from plugin.delivery.transport import Echo, Read, one_by_one

STORED = ("Success", "AlreadyStored")
NOT_DICOM = (400, 415)


@dataclass(frozen=True)
class OrthancPeerTransport:
    """Committed means: looked up after the last image was sent, and found."""

    name: str
    destination: OrthancDestination
    secret_folder: Path

    def send(self, images: Sequence[Image], read: Read, progress: Progress) -> None:
        with self._session() as session, progress.over(session.hang_up):
            one_by_one(images, read, partial(self._post, session), progress)

    def confirm(self, images: Sequence[Image], progress: Progress) -> None:
        with self._session() as session, progress.over(session.hang_up):
            for image in images:
                progress.note(self._looked_up(session, image))
            progress.flush()

    def echo(self) -> Echo:
        """`GET /system`, which every Orthanc answers."""
        started = time.monotonic()
        with self._session() as session:
            answer = session.call("GET", "/system")
        if "ApiVersion" not in _object(answer):
            raise self._stranger(answer)
        return Echo(time.monotonic() - started, f"HTTP {answer.status}")

    def _session(self) -> HttpSession:
        return HttpSession(self.name, self.destination, self.secret_folder)

    def _post(self, session: HttpSession, image: Image, data: bytes) -> Image:
        answer = session.call("POST", "/instances", data, Content_Type="application/dicom")
        found = _object(answer)
        if answer.is_good and found.get("Status") in STORED:
            return replace(image, state="stored", status=None, comment="")
        if answer.is_good and "Status" in found:  # FilteredOut
            return replace(image, state="refused", comment=f"the other Orthanc answered {found['Status']}")
        if answer.status in NOT_DICOM:
            return replace(image, state="refused", comment=f"HTTP {answer.status}")
        if answer.status >= 500:
            return replace(image, state="pending", comment=f"HTTP {answer.status}")
        raise self._stranger(answer)

    def _looked_up(self, session: HttpSession, image: Image) -> Image:
        answer = session.call("POST", "/tools/lookup", image.sop_instance_uid.encode("ascii"))
        if not answer.is_good:
            raise PassingTrouble(f"{self.name} answered {answer.status} when it was asked for an image")
        there = [entry["ID"] for entry in _list(answer) if entry.get("Type") == "Instance"]
        if not there:
            return unconfirmed(image, "it was posted, but is not there")
        same = [self._digest(session, each) for each in there] if image.md5 else []
        if image.md5 and image.md5 not in same and any(same):
            comment = "the destination holds other content under this UID"
            return replace(image, state="committed", comment=comment)
        return replace(image, state="committed", comment="")

    def _digest(self, session: HttpSession, instance_orthanc_id: str) -> str:
        answer = session.call("GET", f"/instances/{instance_orthanc_id}/attachments/dicom/md5")
        return answer.body.decode("ascii", "replace") if answer.is_good else ""

    def _stranger(self, answer: Answer) -> PassingTrouble:
        return PassingTrouble(
            f"{self.name} ({self.destination.url}) answered {answer.status}, and not as Orthanc does",
            remedy="Url must be the root of an Orthanc",
        )


def _object(answer: Answer) -> dict[str, Any]:
    found = _json(answer)
    return found if isinstance(found, dict) else {}


def _list(answer: Answer) -> list[dict[str, Any]]:
    found = _json(answer)
    return found if isinstance(found, list) else []


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None
