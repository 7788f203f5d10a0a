"""The two ends of the path at Orthanc: source instances out of it, result instances into it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dicom_templates.series_plan import SliceHeader
from dicom_templates.source import read_slice
from dicom_templates.to_series import WrittenInstance
from pipelines.errors import JobInterrupted, OrthogenError, Refused
from plugin.ledger import Instances, Job, Ledger
from plugin.orthanc_rest import OrthancRest
from plugin.run_job import Ends, Inputs

REPORT_EVERY_S = 0.3


class ResultDiffers(OrthogenError):
    """An instance with the result's UID is already stored, with other pixels."""


@dataclass
class OrthancEnds:
    """Fetches a job's instances from Orthanc, stores its results there, and reports to the ledger."""

    orthanc: OrthancRest
    ledger: Ledger
    job: Job
    aside: Path | None = None
    """Where a shadow job's results are kept instead of in Orthanc; None for a live one."""
    _reported_at: float = field(default=0.0, init=False)

    def ends(self) -> Ends:
        return Ends(fetch=self.orthanc.instance_file, begin=self.begin, store=self.store, report=self.report)

    def inputs(self) -> Inputs:
        """Key and header of each instance of the job's snapshot, from Orthanc's index."""
        further = {
            other.input_name: self._headers(other.series_orthanc_id, other.instances)
            for other in self.job.further
        }
        return Inputs(self._headers(self.job.series_orthanc_id, self.job.instances), further)

    def _headers(self, series_orthanc_id: str, instances: Instances) -> list[tuple[str, SliceHeader]]:
        listed = {entry["ID"]: entry for entry in self.orthanc.instances_of(series_orthanc_id)}
        gone = sum(orthanc_id not in listed for _, orthanc_id in instances)
        if gone:
            raise Refused(
                "instances-gone",
                f"{gone} of {len(instances)} instances were deleted from Orthanc since the routing",
                remedy="send the series again",
            )
        return [
            (orthanc_id, SliceHeader.of_main_tags(listed[orthanc_id]["MainDicomTags"]))
            for _, orthanc_id in instances
        ]

    def begin(self, series_instance_uid: str) -> None:
        """An earlier attempt by another version of the node may have left part of another series."""
        withdraw(self.orthanc, [uid for uid in self.job.result_series_uids if uid != series_instance_uid])
        self.ledger.register_result(series_instance_uid, self.job.id, "result")
        self._update(result_series_uids=[series_instance_uid])

    def store(self, instance: WrittenInstance) -> None:
        if self.aside is not None:
            self.aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.aside / f"{instance.sop_instance_uid}.dcm").write_bytes(instance.data)
            return
        answer = self.orthanc.store_instance(instance.data)
        if answer["Status"] == "AlreadyStored":
            self._require_same(instance, answer["ID"])

    def report(self, stage: str, share: float) -> None:
        if share < 1 and time.monotonic() - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = time.monotonic()
        self._update(stage=stage, progress=share)

    def _update(self, **columns: object) -> None:
        if not self.ledger.update(self.job.id, expect=("running",), attempt=self.job.attempts, **columns):
            raise JobInterrupted(f"job {self.job.id} was cancelled or taken over")

    def _require_same(self, instance: WrittenInstance, instance_orthanc_id: str) -> None:
        """A replay writes the same pixels, or it must not be taken for one (PS3.3 C.12.4.1.1)."""
        stored = read_slice(self.orthanc.instance_file(instance_orthanc_id)).stored_values
        if not np.array_equal(stored, read_slice(instance.data).stored_values):
            raise ResultDiffers(
                f"instance {instance.sop_instance_uid} is already stored with other pixels",
                remedy="delete the earlier result, or raise the pipeline's version",
            )


def withdraw(orthanc: OrthancRest, result_series_uids: Sequence[str]) -> None:
    """Takes results out of Orthanc again."""
    for series_instance_uid in result_series_uids:
        found = orthanc.find_series(series_instance_uid)
        if found is not None:
            orthanc.delete_series(found)


def set_aside(orthanc: OrthancRest, result_series_uids: Sequence[str], folder: Path) -> None:
    """Moves results out of Orthanc into a folder, where only a release brings them back."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for series_instance_uid in result_series_uids:
        found = orthanc.find_series(series_instance_uid)
        if found is None:
            continue
        for entry in orthanc.instances_of(found):
            path = folder / f"{entry['MainDicomTags']['SOPInstanceUID']}.dcm"
            path.write_bytes(orthanc.instance_file(entry["ID"]))
        orthanc.delete_series(found)


def bring_back(orthanc: OrthancRest, folder: Path) -> int:
    """Stores what was set aside; returns how many instances."""
    paths = sorted(folder.glob("*.dcm"))
    for path in paths:
        orthanc.store_instance(path.read_bytes())
    return len(paths)
