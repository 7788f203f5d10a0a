"""The few calls this node makes to Orthanc's REST API, over kept-alive connections.

Orthanc's own words: a resource's `ID` is its `orthanc_id` here. The token is the one Orthanc gave the door at
this start (`GenerateRestApiAuthorizationToken`); it dies with Orthanc.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import urllib3

from pipelines.errors import PassingTrouble
from plugin.space import REMEDY, NoSpace

CANNOT_WRITE = frozenset({14, 19, 1004, 1008, 1009, 1010, 1014, 1015})
"""Orthanc's own error codes (`OrthancStatus`; OrthancCPlugin.h): CannotWriteFile, FullStorage, and those of
an SQLite index that cannot be written: Execute, Flush, CannotRun, CannotStep, TransactionCommit and Begin."""


class Gone(PassingTrouble):
    """The resource is not, or no longer, in Orthanc."""


@dataclass(frozen=True)
class OrthancAddress:
    """Where Orthanc's REST API is, and the right to use it."""

    url: str
    token: str | None


class OrthancRest:
    """Orthanc's REST API; safe to share between threads."""

    def __init__(
        self,
        address: OrthancAddress,
        *,
        connections: int = 8,
        timeout_s: float = 60.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`context`: whom to trust beyond this machine; on loopback anybody is."""
        trust: dict[str, Any] = {"cert_reqs": "CERT_NONE"} if context is None else {"ssl_context": context}
        headers = {"Authorization": address.token} if address.token else {}
        self._url = address.url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            headers=headers,
            timeout=urllib3.Timeout(connect=5.0, read=timeout_s),
            retries=False,
            **trust,
        )

    def json(self, path: str) -> Any:
        return json.loads(self._call("GET", path))

    def changes(self, since: int, limit: int) -> dict[str, Any]:
        """A page of the log of changes: `Changes`, `Done`, `Last`."""
        page = self.json(f"/changes?since={since}&limit={limit}")
        return dict(page)

    def instance_file(self, instance_orthanc_id: str) -> bytes:
        """The instance as it was received (Part 10)."""
        return self._call("GET", f"/instances/{instance_orthanc_id}/file")

    def instances_of(self, series_orthanc_id: str) -> list[dict[str, Any]]:
        """Each instance of a series with its MainDicomTags."""
        return list(self.json(f"/series/{series_orthanc_id}/instances"))

    def instances(self, instance_orthanc_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Of those that are still there, what Orthanc's index says, `ParentSeries` among it."""
        wanted = {"Resources": list(instance_orthanc_ids), "Metadata": False}
        return list(json.loads(self._call("POST", "/tools/bulk-content", json.dumps(wanted).encode())))

    def metadata(self, instance_orthanc_id: str) -> dict[str, str]:
        """How the instance came: RemoteAET, CalledAET, RemoteIP, Origin."""
        return dict(self.json(f"/instances/{instance_orthanc_id}/metadata?expand"))

    def file_md5(self, instance_orthanc_id: str) -> str | None:
        """As Orthanc has noted it; None where `StoreMD5ForAttachments` is off."""
        try:
            noted = self._call("GET", f"/instances/{instance_orthanc_id}/attachments/dicom/md5")
        except Gone:
            return None
        return noted.decode("ascii") or None

    def find_series(self, series_instance_uid: str) -> str | None:
        """Orthanc id of the series with this UID, if there is exactly one."""
        query = {"Level": "Series", "Query": {"SeriesInstanceUID": series_instance_uid}}
        found = json.loads(self._call("POST", "/tools/find", json.dumps(query).encode()))
        return str(found[0]) if len(found) == 1 else None

    def series_of_study(self, study_instance_uid: str) -> list[str]:
        """Orthanc ids of the study's series; none if there is no such study."""
        query = {"Level": "Series", "Query": {"StudyInstanceUID": study_instance_uid}}
        return list(json.loads(self._call("POST", "/tools/find", json.dumps(query).encode())))

    def store_instance(self, data: bytes) -> dict[str, Any]:
        """Stores one instance; `Status` is Success or AlreadyStored (then nothing was changed)."""
        return dict(json.loads(self._call("POST", "/instances", data)))

    def attach(self, series_orthanc_id: str, number: int, data: bytes) -> None:
        """Keeps a file with a series, under a number from 1024 on; a second one replaces the first."""
        if self.attachment(series_orthanc_id, number) != data:
            path = f"/series/{series_orthanc_id}/attachments/{number}"
            self._quietly("DELETE", path)
            self._call("PUT", path, data)

    def attachment(self, series_orthanc_id: str, number: int) -> bytes | None:
        """The file kept with a series, or None."""
        try:
            return self._call("GET", f"/series/{series_orthanc_id}/attachments/{number}/data")
        except Gone:
            return None

    def delete_series(self, series_orthanc_id: str) -> None:
        self._quietly("DELETE", f"/series/{series_orthanc_id}")

    def _quietly(self, method: str, path: str) -> None:
        with suppress(Gone):
            self._call(method, path)

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            response = self._pool.request(method, self._url + path, body=body)
        except urllib3.exceptions.HTTPError as error:
            raise PassingTrouble(
                f"Orthanc does not answer at {self._url} ({type(error).__name__})", remedy="is it running?"
            ) from error
        if response.status == 404:
            raise Gone(f"Orthanc has no {path}")
        if response.status >= 500 and (words := _cannot_write(response.data)):
            raise NoSpace(f"disk full: Orthanc answered {words!r} to {method} {path}", remedy=REMEDY)
        if response.status >= 300:
            raise PassingTrouble(f"Orthanc answered {response.status} to {method} {path}")
        return response.data


def _cannot_write(body: bytes) -> str:
    """Orthanc's words if it could not write; empty if it was something else."""
    try:
        error = json.loads(body)
        return str(error["OrthancError"]) if error["OrthancStatus"] in CANNOT_WRITE else ""
    except (ValueError, LookupError, TypeError):
        return ""
