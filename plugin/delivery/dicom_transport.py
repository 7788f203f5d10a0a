"""C-STORE as a transport: the status of each answer is its evidence (PS3.4 B.2.3)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from pipelines.errors import PassingTrouble
from plugin.delivery.association import Peer, associated, batches, c_store, contexts_for, hang_up
from plugin.delivery.images import Image
from plugin.delivery.progress import Progress
from plugin.delivery.transport import Echo, Read, one_by_one


@dataclass(frozen=True)
class DicomTransport:
    """Storage commitment, where it is wanted, is asked for afterwards: see `committing.py`."""

    peer: Peer

    def send(self, images: Sequence[Image], read: Read, progress: Progress) -> None:
        for part in batches(images):
            with (
                associated(self.peer, contexts_for(part)) as association,
                progress.over(partial(hang_up, association)),
            ):
                one_by_one(part, read, partial(c_store, association), progress)

    def confirm(self, images: Sequence[Image], progress: Progress) -> None:
        """The status was the evidence."""

    def echo(self) -> Echo:
        """C-ECHO (PS3.7 9.1.5): seconds for association and answer."""
        started = time.monotonic()
        with associated(self.peer, [build_context(Verification)]) as association:
            answer = association.send_c_echo()
            if "Status" not in answer:
                raise PassingTrouble(f"{self.peer.name} does not answer a C-ECHO")
            status = int(answer.Status)
        return Echo(time.monotonic() - started, f"0x{status:04X}")
