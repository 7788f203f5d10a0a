"""A delivery of real files by one transport, without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import dcmread

from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.deliveries import add_delivery, change_delivery, deliveries_in
from plugin.delivery.destination import Destination
from plugin.delivery.images import Image, images_in, plan_images
from plugin.delivery.progress import Progress
from plugin.delivery.transport import Transport
from plugin.delivery.ways import transport_to
from plugin.ledger import Ledger
from plugin.orthanc_rest import Gone
from plugin.settings import read_settings


class Sending:
    """A delivery of real files in a real ledger, by a transport of its own."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        prepare_database(url := database_url("sqlite", folder))
        self.ledger = Ledger(open_engine(url))
        self.files = {str(dcmread(file, stop_before_pixels=True).SOPInstanceUID): file for file in files}
        self.secrets = folder / "secrets"
        with self.ledger.transaction() as connection:
            self.delivery = add_delivery(connection, "job", "THERE")
            change_delivery(connection, self.delivery, state="sending")
            plan_images(connection, self.delivery, [image_of(file) for file in files])

    def read(self, image: Image) -> bytes:
        if image.sop_instance_uid not in self.files:
            raise Gone("it is not in Orthanc any more")
        return self.files[image.sop_instance_uid].read_bytes()

    def by(self, transport: Transport) -> None:
        (present,) = self.deliveries()
        progress = Progress(self.ledger, present, limit_s=20)
        transport.send(self.images("pending"), self.read, progress)
        transport.confirm(self.images("stored"), progress)

    def deliveries(self) -> list[Any]:
        with self.ledger.engine.connect() as connection:
            return deliveries_in(connection)

    def images(self, *states: str) -> list[Image]:
        with self.ledger.engine.connect() as connection:
            found = images_in(connection, self.delivery)
        return [image for image in found if not states or image.state in states]

    def states(self) -> dict[str, int]:
        names = [image.state for image in self.images()]
        return {name: names.count(name) for name in sorted(set(names))}


def image_of(file: Path) -> Image:
    header = dcmread(file, stop_before_pixels=True)
    syntax = str(header.file_meta.TransferSyntaxUID)
    return Image(str(header.SOPInstanceUID), str(header.SOPClassUID), syntax, "of no use here")


def to(secrets: Path, **written: Any) -> Transport:
    destination: Destination = read_settings({"Destinations": {"THERE": written}}).destinations["THERE"]
    return transport_to("THERE", destination, "ORTHOGEN", secrets)
