"""The two ends of the path at Orthanc: source instances out of it, result instances into it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dicom_templates.conformance import NotConforming
from dicom_templates.enhanced_source import all_samples
from dicom_templates.manifest import sign
from dicom_templates.series_plan import SliceHeader
from dicom_templates.to_series import WrittenInstance
from pipelines.errors import JobInterrupted, OrthogenError, Refused
from plugin.ends import Ends
from plugin.folders import Folders
from plugin.gate_report.kept import keep_report
from plugin.ledger import Instances, Job, Ledger
from plugin.orthanc_rest import OrthancRest
from plugin.own_results import MANIFEST_ATTACHMENT, PATIENT, OwnResults
from plugin.plan_job import Inputs
from plugin.signing import signing_key
from plugin.space import write_file

REPORT_EVERY_S = 0.3


class ResultDiffers(OrthogenError):
    """An instance with the result's UID is already stored, with other pixels."""


@dataclass
class OrthancEnds:
    """Fetches a job's instances from Orthanc, stores its results there, and reports to the ledger."""

    results: OwnResults
    job: Job
    folders: Folders
    _reported_at: float = field(default=0.0, init=False)

    @property
    def orthanc(self) -> OrthancRest:
        return self.results.orthanc

    @property
    def ledger(self) -> Ledger:
        return self.results.ledger

    def ends(self) -> Ends:
        return Ends(
            fetch=self.orthanc.instance_file,
            begin=self.begin,
            store=self.store,
            quarantine=self.quarantine,
            prove=self.prove,
            illustrate=self.illustrate,
            report=self.report,
        )

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

    def begin(self, series_instance_uids: Sequence[str]) -> None:
        """Not while somebody moves results of this source: once it is said, nobody else takes these out."""
        with self.results.alone(self.job, within_s=PATIENT):
            self._update(result_series_uids=list(series_instance_uids))
            # An earlier attempt by another version of the node may have left part of other series.
            self.results.withdraw(self.job, but=series_instance_uids)
            for number, uid in enumerate(series_instance_uids):
                self._register(uid, "companion" if number else "result")

    def _register(self, uid: str, kind: str) -> None:
        self.ledger.register_result(uid, self.job.id, kind)
        if self.aside is None and self.orthanc.find_series(uid) is None:
            with self.ledger.transaction() as connection:
                self.ledger.take_over_results(connection, [uid], self.job.id)

    @property
    def aside(self) -> Path | None:
        """Where a shadow job's results are kept instead of in Orthanc; None for a live one."""
        return self.folders.shadow / self.job.id if self.job.mode == "shadow" else None

    def store(self, instance: WrittenInstance) -> None:
        if self.aside is not None:
            self.aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(self.aside / f"{instance.sop_instance_uid}.dcm", instance.data)
            return
        answer = self.orthanc.store_instance(instance.data)
        if answer["Status"] == "AlreadyStored":
            self._require_same(instance, answer["ID"])

    def quarantine(self, instance: WrittenInstance, broken: NotConforming) -> None:
        """Kept with its report, for whoever mends the software; never stored."""
        folder = self.folders.quarantine / self.job.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(folder / f"{instance.sop_instance_uid}.dcm", instance.data)
        write_file(folder / "report.txt", broken.what.encode())

    def prove(self, series_instance_uid: str, manifest: Mapping[str, Any]) -> None:
        """The signed manifest, attached to the result series."""
        signed = sign(manifest, signing_key(self.folders.signing_key)).to_json()
        if self.aside is not None:
            write_file(self.aside / f"{series_instance_uid}.json", signed.encode())
            return
        found = self.orthanc.find_series(series_instance_uid)
        if found is not None:
            self.orthanc.attach(found, MANIFEST_ATTACHMENT, signed.encode("utf-8"))

    def illustrate(self, _series_instance_uid: str, html: str) -> None:
        """In the database, since a worker may run on another machine than the pages."""
        keep_report(self.ledger.engine, self.job.id, html)

    def report(self, stage: str, share: float) -> None:
        if share < 1 and time.monotonic() - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = time.monotonic()
        self._update(stage=stage, progress=share)

    def _update(self, **columns: object) -> None:
        if not self.ledger.update_held(self.job, **columns):
            raise JobInterrupted(f"job {self.job.id} was cancelled or taken over")

    def _require_same(self, instance: WrittenInstance, instance_orthanc_id: str) -> None:
        """A replay writes the same pixels, or it must not be taken for one (PS3.3 C.12.4.1.1)."""
        stored = all_samples(self.orthanc.instance_file(instance_orthanc_id))
        if not np.array_equal(stored, all_samples(instance.data)):
            raise ResultDiffers(
                f"instance {instance.sop_instance_uid} is already stored with other pixels",
                remedy="delete the earlier result, or raise the pipeline's version",
            )
