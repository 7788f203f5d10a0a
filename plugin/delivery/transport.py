"""What every way to a destination offers, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from plugin.delivery.images import Image
from plugin.delivery.progress import Progress
from plugin.orthanc_rest import Gone

Read = Callable[[Image], bytes]
"""The image as a Part 10 file; raises Gone if it is no longer in our Orthanc."""
TURNED_AWAY_IN_A_ROW = 5


@dataclass(frozen=True)
class Echo:
    """How a destination answered a harmless question."""

    seconds: float
    status: str

    def as_json(self, destination: str) -> dict[str, Any]:
        return {"destination": destination, "seconds": round(self.seconds, 3), "status": self.status}


class Transport(Protocol):
    """One destination, reached its own way. Each method raises PassingTrouble when it cannot be reached."""

    def send(self, images: Sequence[Image], read: Read, progress: Progress) -> None:
        """Sends these images and notes the fate of each: stored, refused, or pending if it may pass."""

    def confirm(self, images: Sequence[Image], progress: Progress) -> None:
        """Looks whether stored images are there, where the protocol's answer alone does not say so."""

    def echo(self) -> Echo:
        """Asks something that changes nothing."""


def one_by_one(
    images: Sequence[Image], read: Read, send: Callable[[Image, bytes], Image], progress: Progress
) -> None:
    """Ends early when the destination turns away everything."""
    turned_away = 0
    try:
        for image in images:
            try:
                fate = send(image, read(image))
            except Gone:
                fate = deleted(image)
            turned_away = turned_away + 1 if fate.state == "pending" else 0
            progress.note(fate)
            if turned_away == TURNED_AWAY_IN_A_ROW:
                return
    finally:
        progress.flush()


def deleted(image: Image) -> Image:
    return replace(image, state="refused", comment="it was deleted from Orthanc before it was sent")
