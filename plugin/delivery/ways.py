"""Which transport goes to which kind of destination."""

from __future__ import annotations

from pathlib import Path

from plugin.delivery.association import Peer
from plugin.delivery.destination import Destination, DicomDestination, DicomwebDestination
from plugin.delivery.dicom_transport import DicomTransport
from plugin.delivery.orthanc_peer import OrthancPeerTransport
from plugin.delivery.stow import StowTransport
from plugin.delivery.transport import Transport


def transport_to(name: str, destination: Destination, own_aet: str, secret_folder: Path) -> Transport:
    """`own_aet`: the AE title by which DICOM destinations know this node."""
    if isinstance(destination, DicomDestination):
        return DicomTransport(Peer(name, destination, own_aet))
    if isinstance(destination, DicomwebDestination):
        return StowTransport(name, destination, secret_folder)
    return OrthancPeerTransport(name, destination, secret_folder)
