"""Destinations for tests: DCMTK's storescp, a second Orthanc, and peers that misbehave."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    Verification,
)

from plugin.preflight import find_orthanc, plugin_folder
from tests.node.a_node import CT_RULE, ANode, free_port, until

SLICES = 7
CHANGES = {"X-Orthogen": "1"}
Reaction = Callable[["Peer", evt.Event], int]


@dataclass
class Peer:
    """A receiver in this process; `reaction` gives the status of each C-STORE, counted in `calls`."""

    reaction: Reaction = lambda _peer, _event: 0x0000
    syntaxes: tuple[str, ...] = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    commits: Callable[[Peer, Dataset, evt.Event], None] | None = None
    port: int = field(default_factory=free_port)
    calls: int = 0
    stored: list[str] = field(default_factory=list)
    requests: list[Dataset] = field(default_factory=list)
    server: Any = None

    def section(self, **more: Any) -> dict[str, Any]:
        return {"Aet": "PEER", "Host": "127.0.0.1", "Port": self.port, "TimeoutSeconds": 3, **more}

    def start(self) -> Peer:
        entity = AE(ae_title="PEER")
        entity.add_supported_context(Verification)
        for context in StoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "", list(self.syntaxes))
        if self.commits:
            entity.add_supported_context(StorageCommitmentPushModel)
        handlers: list[Any] = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_N_ACTION, self._on_action)]
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        return self

    def __enter__(self) -> Peer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.server is not None:
            self.server.shutdown()

    def _on_store(self, event: evt.Event) -> int:
        self.calls += 1
        status = self.reaction(self, event)
        if status in (0x0000, 0xB000):
            self.stored.append(str(event.dataset.SOPInstanceUID))
        return status

    def _on_action(self, event: evt.Event) -> tuple[int, None]:
        self.requests.append(event.action_information)
        assert self.commits is not None
        self.commits(self, event.action_information, event)
        return 0x0000, None


def report(request: Dataset, lost: set[str]) -> tuple[int, Dataset]:
    """Event type and report that answers a request, without the instances in `lost`."""
    answer = Dataset()
    answer.TransactionUID = request.TransactionUID
    wanted = list(request.ReferencedSOPSequence)
    answer.ReferencedSOPSequence = [item for item in wanted if item.ReferencedSOPInstanceUID not in lost]
    failed = [item for item in wanted if item.ReferencedSOPInstanceUID in lost]
    for item in failed:
        item.FailureReason = 0x0112
    if failed:
        answer.FailedSOPSequence = failed
    return (2 if failed else 1), answer


def send_report(port: int, request: Dataset, lost: set[str], tls: ssl.SSLContext | None = None) -> int:
    """A report on an association of its own, in the role of SCP; the status that came back."""
    event_type, answer = report(request, lost)
    entity = AE(ae_title="PEER")
    entity.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    tls_args = (tls, "127.0.0.1") if tls else None
    association = entity.associate("127.0.0.1", port, ae_title="ORTHOGEN", ext_neg=[role], tls_args=tls_args)
    assert association.is_established
    instance = "1.2.840.10008.1.20.1.1"
    status, _ = association.send_n_event_report(answer, event_type, StorageCommitmentPushModel, instance)
    association.release()
    return int(status.Status)


@contextmanager
def storescp(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """DCMTK's receiver, writing what it gets into the folder."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["/usr/bin/storescp", "-aet", "PEER", "+xa", "-od", str(folder), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: listens(port), "storescp")
    try:
        yield process
    finally:
        process.terminate()
        process.wait(5)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def second_orthanc(folder: Path, port: int = 0, commitment_port: int = 0, **more: Any) -> Iterator[str]:
    """A plain Orthanc as PACS, which reports commitment on an association of its own; yields its URL."""
    http_port = more.pop("HttpPort", 0) or free_port()
    folder.mkdir(exist_ok=True)
    configuration = {
        "DicomAet": "PEER",
        "DicomPort": port or free_port(),
        "HttpPort": http_port,
        "StorageDirectory": str(folder / "pacs"),
        "IndexDirectory": str(folder / "pacs"),
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"node": ["ORTHOGEN", "127.0.0.1", commitment_port or free_port()]},
        "Plugins": [],
        **more,
    }
    path = folder / "pacs.json"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "pacs.log").open("ab") as log:
        process = subprocess.Popen([str(find_orthanc()), str(path)], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{http_port}"
    try:
        until(lambda: answers(url), "the second Orthanc")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def dicomweb_plugin() -> str:
    folder = plugin_folder()
    assert folder is not None
    return str(folder / "libOrthancDicomWeb.so")


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/system", retries=False, timeout=2).status < 500
    except urllib3.exceptions.HTTPError:
        time.sleep(0.1)
        return False


def slowly(_peer: Peer, _event: evt.Event) -> int:
    time.sleep(0.3)
    return 0x0000


# a node that delivers, and what it says


def a_node(storage: Path, destinations: dict[str, Any], **section: Any) -> ANode:
    rule = {**CT_RULE, "SendTo": list(destinations), **section.pop("Rule", {})}
    return ANode(storage, {"Destinations": destinations, "Rules": [rule], "RetrySeconds": 0.3, **section})


def only_job(node: ANode) -> dict[str, Any]:
    (job,) = node.jobs()
    return job


def delivery(node: ANode, destination: str) -> dict[str, Any]:
    jobs = node.jobs()
    return next((one for job in jobs for one in job["deliveries"] if one["destination"] == destination), {})


def until_in(node: ANode, destination: str, *states: str, within_s: float = 30) -> dict[str, Any]:
    return until(
        lambda: found if (found := delivery(node, destination)).get("state") in states else None,
        f"{destination} {' or '.join(states)}",
        within_s,
    )


def results(node: ANode) -> list[str]:
    """The SOP Instance UIDs of all results, sorted."""
    files = [file for series in node.result_series() for file in series["Instances"]]
    return sorted(node.get(f"/instances/{each}/simplified-tags")["SOPInstanceUID"] for each in files)
