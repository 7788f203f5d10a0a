"""Associations with a destination, and C-STORE over them (PS3.7 9.1.1, PS3.8)."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from pipelines.errors import PassingTrouble
from plugin.delivery.credentials import client_context
from plugin.delivery.destination import DicomDestination
from plugin.delivery.images import Image

MOST_CONTEXTS = 128
"""PS3.8 9.3.2.2: odd identifiers up to 255."""
OUT_OF_RESOURCES = range(0xA700, 0xA800)
DUPLICATE = 0x0111
"""The destination has an instance with this UID; ours are hashes of their source, so it is this one."""


@dataclass(frozen=True)
class Peer:
    """A destination as this node calls it."""

    name: str
    destination: DicomDestination
    own_aet: str


def contexts_for(images: Sequence[Image]) -> list[PresentationContext]:
    """One for each SOP class and transfer syntax as stored; what is uncompressed may also go implicit."""
    pairs = sorted({(image.sop_class_uid, image.transfer_syntax_uid) for image in images})
    return [build_context(sop_class, _syntaxes(UID(syntax))) for sop_class, syntax in pairs]


def batches(images: Sequence[Image]) -> Iterator[list[Image]]:
    """The images in parts whose presentation contexts fit into one association."""
    part: list[Image] = []
    pairs: set[tuple[str, str]] = set()
    for image in sorted(images, key=_pair):
        if len(pairs | {_pair(image)}) > MOST_CONTEXTS:
            yield part
            part, pairs = [], set()
        part.append(image)
        pairs.add(_pair(image))
    if part:
        yield part


@contextmanager
def associated(
    peer: Peer, contexts: list[PresentationContext], handlers: Sequence[Any] = ()
) -> Iterator[Association]:
    """An open association; released at the end, aborted after an error.

    Raises:
        PassingTrouble: the destination cannot be reached, or does not want us; the text says which.
        ConfigurationError: a file that `Tls` names cannot be used.
    """
    destination = peer.destination
    entity = AE(ae_title=peer.own_aet)
    limit_s = destination.timeout_seconds
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = limit_s
    reached = threading.Event()
    association = entity.associate(
        destination.host,
        destination.port,
        contexts=contexts,
        ae_title=destination.aet,
        tls_args=(client_context(destination.tls), destination.host) if destination.tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once, [reached]), *handlers],
    )
    if not association.is_established:
        raise PassingTrouble(f"{_place(peer)} {_why_not(peer, association, reached.is_set())}")
    try:
        yield association
        association.release()
    finally:
        if association.is_established:
            association.abort()


def c_store(association: Association, image: Image, data: bytes) -> Image:
    """The image with its fate: stored, refused, or still pending when the destination is out of resources.

    Raises:
        PassingTrouble: no answer came: the association is lost, or the destination hangs.
    """
    dataset = dcmread(BytesIO(data))
    try:
        answer = association.send_c_store(dataset)
    except ValueError:
        syntax = UID(image.transfer_syntax_uid).name
        what = f"the destination takes no {UID(image.sop_class_uid).name} in {syntax}"
        return replace(image, state="refused", comment=what)
    except RuntimeError as error:
        raise PassingTrouble("the association was lost") from error
    if "Status" not in answer:
        raise PassingTrouble("no answer to a C-STORE: the association was lost or timed out")
    return with_status(image, int(answer.Status))


def with_status(image: Image, status: int) -> Image:
    """PS3.4 B.2.3: warnings are stored, 0xA7xx may pass, everything else is final for this image."""
    category, meaning = STORAGE_SERVICE_CLASS_STATUS.get(status, (code_to_category(status), ""))
    stored = category in ("Success", "Warning") or status == DUPLICATE
    state = "stored" if stored else "pending" if status in OUT_OF_RESOURCES else "refused"
    comment = "" if category == "Success" else meaning or str(category)
    return replace(image, state=state, status=status, comment=comment)


def hang_up(association: Association) -> None:
    """Cuts the connection: a call in progress in another thread returns at once, without an answer.

    An abort would not do: it waits for the very thread that a peer which reads nothing holds up.
    """
    connection = association.dul.socket
    if connection is not None and connection.socket is not None:
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)


def _pair(image: Image) -> tuple[str, str]:
    return image.sop_class_uid, image.transfer_syntax_uid


def _syntaxes(stored: UID) -> list[str]:
    if stored.is_compressed or not stored.is_little_endian:
        return [stored]
    return [stored, *({ImplicitVRLittleEndian} - {stored})]


def _send_at_once(event: evt.Event, reached: threading.Event) -> None:
    """Without this each image waits up to 40 ms for the peer's delayed acknowledgement (Nagle)."""
    reached.set()
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _place(peer: Peer) -> str:
    return f"{peer.name} ({peer.destination.address})"


def _why_not(peer: Peer, association: Association, reached: bool) -> str:
    if not reached:
        return _why_unreached(peer.destination)
    if association.is_rejected:
        answer = association.acceptor.primitive
        return f"rejected the association: {answer.reason_str if answer else 'no reason given'}"
    if association.rejected_contexts:
        return "accepted none of the presentation contexts"
    return "did not answer, or aborted, the request for an association"


def _why_unreached(destination: DicomDestination) -> str:
    """pynetdicom does not tell what is wrong with TLS, so it is asked for once more."""
    if destination.tls is None:
        return "cannot be reached"
    try:
        address = destination.host, destination.port
        with socket.create_connection(address, timeout=destination.timeout_seconds) as connection:
            client_context(destination.tls).wrap_socket(connection, server_hostname=destination.host).close()
    except ssl.SSLError as error:
        return f"cannot be reached over TLS: {getattr(error, 'verify_message', '') or error.reason}"
    except OSError:
        return "cannot be reached"
    return "broke off the connection"


def quiet_pynetdicom() -> None:
    """Its warnings may quote values of elements, and every failure is told by us anyway."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
