"""The result series of our jobs in Orthanc, taken out or brought back by one process at a time.

Orthanc deletes what it is told to, whoever wrote it last, and no transaction of the ledger reaches there. So
who takes results out, or brings them back, does so under a lock, and asks the ledger under that lock whether
it is still wanted; an attempt announces under the same lock what it is going to write (`OrthancEnds.begin`).
A removal is over before a later attempt writes its first image, or it sees that attempt and does nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dicom_templates.series_plan import is_own_result
from dicom_templates.source import read_header
from plugin.ledger import Job, Ledger
from plugin.life_signs import LifeSigns
from plugin.orthanc_rest import OrthancRest
from plugin.space import write_file
from plugin.tables import JOBS

TO_SET_ASIDE = "to be set aside"
"""The stage of a held job whose worker was on another machine: the node moves its results (plugin.tidy)."""
MANIFEST_ATTACHMENT = 1024
"""Orthanc keeps attachments from this number on for whoever wants them."""
ASK_AGAIN_S = 0.1
PATIENT = float("inf")
"""Who moves results ends within seconds, or dies and lets go."""


@dataclass(frozen=True)
class OwnResults:
    """What the node, its workers and those elsewhere use when they move results."""

    orthanc: OrthancRest
    ledger: Ledger
    signs: LifeSigns

    @contextmanager
    def alone(self, job: Job, within_s: float = 0.0) -> Iterator[Job | None]:
        """The job as the ledger has it now, while nobody else moves results of its source series.

        None if somebody else did for so long, or if the job is gone. The lock is of the source series: the
        same run made again (force) is another job, and writes the same series.
        """
        name, until = f"results of {job.source_series_uid}", time.monotonic() + within_s
        with ExitStack() as lock:
            while not (free := lock.enter_context(self.signs.alone(name))) and time.monotonic() < until:
                lock.close()
                time.sleep(ASK_AGAIN_S)
            yield self.ledger.job(job.id) if free else None

    def withdraw(self, job: Job, but: Sequence[str] = ()) -> None:
        """Takes what the job has begun to write out of Orthanc, but for these series; belongs under `alone`.
        What another job is writing too stays, and is that one's from now on.
        """
        with self.ledger.transaction() as connection:
            others = _in_the_making(connection, job)  # first: who ends after this has taken its series over
            own = [uid for uid in self.ledger.own_results_in(connection, job) if uid not in but]
            for uid in others.keys() & set(own):
                self.ledger.take_over_results(connection, [uid], others[uid])
        withdraw(self.orthanc, [uid for uid in own if uid not in others])


def _in_the_making(connection: sa.Connection, job: Job) -> dict[str, str]:
    """Series that another job on the same source writes just now, or has yet to set aside: their UIDs, and
    its id.
    """
    same = (JOBS.c.source_series_uid == job.source_series_uid, JOBS.c.id != job.id, JOBS.c.mode == "live")
    to_set_aside = sa.and_(JOBS.c.state == "held", JOBS.c.stage == TO_SET_ASIDE)
    making = sa.or_(JOBS.c.state == "running", to_set_aside)
    query = sa.select(JOBS.c.id, JOBS.c.result_series_uids).where(*same, making)
    return {uid: other for other, uids in connection.execute(query) for uid in uids}


def withdraw(orthanc: OrthancRest, result_series_uids: Sequence[str]) -> None:
    """Takes results out of Orthanc again."""
    for series_instance_uid in result_series_uids:
        found = orthanc.find_series(series_instance_uid)
        if found is not None:
            orthanc.delete_series(found)


def copy_aside(orthanc: OrthancRest, result_series_uids: Sequence[str], folder: Path) -> None:
    """Copies results and their manifest into a folder, before they are taken out of Orthanc; only a release
    brings them back.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for series_instance_uid in result_series_uids:
        found = orthanc.find_series(series_instance_uid)
        if found is None:
            continue
        for entry in orthanc.instances_of(found):
            data = orthanc.instance_file(entry["ID"])
            if is_own_result(read_header(data)):  # anybody may have sent something into the series
                write_file(folder / f"{entry['ID']}.dcm", data)
        signed = orthanc.attachment(found, MANIFEST_ATTACHMENT)
        if signed is not None:
            write_file(folder / f"{series_instance_uid}.json", signed)


def bring_back(orthanc: OrthancRest, folder: Path) -> int:
    """Stores what was set aside; returns how many instances."""
    paths = sorted(folder.glob("*.dcm"))
    for path in paths:
        orthanc.store_instance(path.read_bytes())
    for signed in folder.glob("*.json"):
        found = orthanc.find_series(signed.stem)
        if found is not None:
            orthanc.attach(found, MANIFEST_ATTACHMENT, signed.read_bytes())
    return len(paths)
