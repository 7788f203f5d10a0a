"""Sends a folder of DICOM files by C-STORE, in the transfer syntax they are stored in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.presentation import PresentationContext, build_context

from pipelines.errors import PassingTrouble

ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True)
class Receiver:
    """A DICOM node to send to."""

    host: str
    port: int
    aet: str


def send_folder(folder: Path, receiver: Receiver, *, calling_aet: str = "DEMO") -> tuple[str, int]:
    """Sends every file; returns the Study Instance UID and the number of instances.

    What was not acknowledged is sent once more: storing an instance twice changes nothing.

    Raises:
        PassingTrouble: no association, or an instance was not accepted (the status is named).
    """
    paths = sorted(folder.glob("*.dcm"))
    headers = [dcmread(path, stop_before_pixels=True) for path in paths]
    wanted = contexts(headers)
    left = send(paths, wanted, receiver, calling_aet)
    if left:
        left = send(left, wanted, receiver, calling_aet)
    if left:
        raise PassingTrouble(f"{receiver.aet} did not accept {left[0].name} and {len(left) - 1} more")
    return str(headers[0].StudyInstanceUID), len(paths)


def send(
    paths: Sequence[Path], wanted: list[PresentationContext], receiver: Receiver, calling_aet: str
) -> list[Path]:
    """One association; returns what was not acknowledged with success (PS3.4 B.2.3)."""
    application = AE(ae_title=calling_aet)
    application.requested_contexts = wanted
    application.dimse_timeout = ANSWER_WITHIN_S
    association = application.associate(receiver.host, receiver.port, ae_title=receiver.aet)
    if not association.is_established:
        raise PassingTrouble(f"{receiver.aet} does not accept an association", remedy="is the node running?")
    try:
        for number, path in enumerate(paths):
            if association.send_c_store(path).get("Status") != 0:
                return list(paths[number:])
    finally:
        association.release()
    return []


def contexts(headers: Sequence[Dataset]) -> list[PresentationContext]:
    """One presentation context per pair of SOP class and transfer syntax."""
    pairs = {(header.SOPClassUID, header.file_meta.TransferSyntaxUID) for header in headers}
    return [build_context(sop_class, syntax) for sop_class, syntax in sorted(pairs)]
