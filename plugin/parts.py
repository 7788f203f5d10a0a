"""The node's parts, for whoever serves from them."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.catalog import Catalog
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.dispatch import Dispatch
from plugin.door.supervise import Child
from plugin.folders import Folders
from plugin.ledger import Ledger
from plugin.own_results import OwnResults
from plugin.receive import Reception
from plugin.settings import Settings
from plugin.space import Alarm, Space
from plugin.submit import Queue


@dataclass(frozen=True)
class Parts:
    """Put together once, in `node.py`."""

    folders: Folders
    settings: Settings
    catalog: Catalog
    ledger: Ledger
    queue: Queue
    reception: Reception
    results: OwnResults
    workers: tuple[Child, ...]
    dispatch: Dispatch
    destinations: DestinationBook
    sender: Child
    """Started once there is a destination."""
    called_ae_title: str
    """Orthanc's own, by which destinations know this node."""
    space: Space
    alarm: Alarm
