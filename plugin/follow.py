"""Follows Orthanc's log of changes, which survives kill -9 without a gap, from the last number taken in."""

from __future__ import annotations

import time

from plugin.ledger import Ledger
from plugin.orthanc_rest import OrthancRest
from plugin.watch import arm

PAGE = 200


def take_in_changes(orthanc: OrthancRest, ledger: Ledger, first_look_s: float) -> int:
    """Watches every series that received an instance; returns how many changes were read.

    The cursor and the watch move in one transaction, so a kill between two pages loses nothing, and reading a
    page again only re-arms a timer. Of several nodes on one database one takes in each page. `first_look_s`
    after its last instance a series may be complete.
    """
    read = 0
    while True:
        since = ledger.cursor()
        page = orthanc.changes(since, PAGE)
        changes = page["Changes"]
        if changes:
            touched = _touched_series(orthanc, changes)
            now = time.time()
            with ledger.transaction() as connection:
                if not ledger.advance(connection, since=since, to=page["Last"]):
                    continue
                arm(connection, touched, at=now, look_at=now + first_look_s)
        read += len(changes)
        if page["Done"]:
            return read


def _touched_series(orthanc: OrthancRest, changes: list[dict[str, str]]) -> set[str]:
    new = [change["ID"] for change in changes if change["ChangeType"] == "NewInstance"]
    return {instance["ParentSeries"] for instance in orthanc.instances(new)} if new else set()
