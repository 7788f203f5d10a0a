"""A second Orthanc as PACS that notes every C-STORE it accepts, also one of an image it already holds."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from plugin.preflight import find_orthanc
from tests.node.a_destination import answers
from tests.node.a_node import free_port, until

NOTES_EACH_IMAGE = """
function ReceivedInstanceFilter(dicom, origin, info)
   local file = io.open('%s', 'a')
   file:write(dicom['SOPInstanceUID'] .. '\\n')
   file:close()
   return true
end
"""


@dataclass(frozen=True)
class CountingPacs:
    url: str
    port: int
    notes: Path

    def accepted(self) -> Counter[str]:
        """How often each SOP Instance UID was accepted."""
        return Counter(self.notes.read_text().split()) if self.notes.exists() else Counter()

    def holds(self) -> list[str]:
        """SOP Instance UIDs, sorted."""
        instances = urllib3.request("GET", f"{self.url}/instances?expand", timeout=20).json()
        return sorted(each["MainDicomTags"]["SOPInstanceUID"] for each in instances)

    def section(self, **more: Any) -> dict[str, Any]:
        """As a destination of the node."""
        return {"Aet": "PACS", "Host": "127.0.0.1", "Port": self.port, "StorageCommitment": True, **more}


@contextmanager
def counting_pacs(folder: Path, commitment_port: int) -> Iterator[CountingPacs]:
    """Commits on an association of its own, to `commitment_port`."""
    folder.mkdir(parents=True, exist_ok=True)
    http_port, port = free_port(), free_port()
    pacs = CountingPacs(f"http://127.0.0.1:{http_port}", port, folder / "accepted.txt")
    (folder / "notes.lua").write_text(NOTES_EACH_IMAGE % pacs.notes)
    configuration = {
        "DicomAet": "PACS",
        "DicomPort": port,
        "HttpPort": http_port,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "OverwriteInstances": False,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"node": ["ORTHOGEN", "127.0.0.1", commitment_port]},
        "LuaScripts": [str(folder / "notes.lua")],
        "Plugins": [],
    }
    path = folder / "pacs.json"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "pacs.log").open("wb") as log:
        process = subprocess.Popen([str(find_orthanc()), str(path)], stdout=log, stderr=log)
    try:
        until(lambda: answers(pacs.url), "the PACS")
        yield pacs
    finally:
        process.terminate()
        process.wait(10)
