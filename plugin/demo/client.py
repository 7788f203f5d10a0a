"""The node's own HTTP interface, as a visitor uses it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import urllib3

from pipelines.errors import PassingTrouble
from plugin.orthanc_rest import OrthancAddress, OrthancRest

ENDED = ("done", "held", "failed", "cancelled")


class Visitor:
    """Asks a running node."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.orthanc = OrthancRest(OrthancAddress(url, None))
        self._pool = urllib3.PoolManager()

    def api(self, path: str) -> Any:
        answer = self._pool.request("GET", f"{self.url}/orthogen/api{path}")
        return json.loads(answer.data)

    def gate_report(self, job_id: str) -> bytes:
        """The page on how the gate came to a job's verdict.

        Raises:
            PassingTrouble: the node has none.
        """
        answer = self._pool.request("GET", f"{self.url}/orthogen/ui/gate?id={job_id}")
        if answer.status != 200:
            raise PassingTrouble(f"job {job_id} has no gate report (HTTP {answer.status})")
        return bytes(answer.data)

    def await_fate(
        self, study_instance_uid: str, *, within_s: float, tick: Callable[[str], None]
    ) -> dict[str, Any]:
        """The explanation of a study once every job of it has ended.

        Raises:
            PassingTrouble: that took too long.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            fate = dict(self.api(f"/explain?study={study_instance_uid}"))
            jobs = fate.get("jobs", [])
            if fate.get("series") and all(job["state"] in ENDED for job in jobs):
                return fate
            tick(" ".join(f"{job['pipeline']} {job['stage']} {job['progress']:.0%}" for job in jobs))
            time.sleep(0.2)
        raise PassingTrouble(f"the study was not ready within {within_s:.0f} s", remedy="see the node's log")

    def series_files(self, series_instance_uid: str) -> list[bytes]:
        """Every instance of a series, by Instance Number."""
        found = self.orthanc.find_series(series_instance_uid)
        if found is None:
            raise PassingTrouble(f"series {series_instance_uid} is not in Orthanc")
        listed = self.orthanc.instances_of(found)
        listed.sort(key=lambda entry: int(entry["MainDicomTags"].get("InstanceNumber") or 0))
        return [self.orthanc.instance_file(entry["ID"]) for entry in listed]
