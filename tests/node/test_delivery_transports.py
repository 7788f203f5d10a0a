"""STOW-RS, an Orthanc peer and TLS against real servers: what each takes as evidence, and what each says when
it does not work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from pipelines.errors import ConfigurationError, PassingTrouble
from plugin.delivery.destination import DicomwebDestination, OrthancDestination
from plugin.delivery.http_session import authorization
from plugin.delivery.progress import Progress
from plugin.settings import read_settings
from tests.node.a_certificate import certificates
from tests.node.a_node import free_port
from tests.node.a_sending import Sending, to
from tests.node.a_web_receiver import SECRET, Pacs, store_response, storescp_over_tls, stow_server

IMAGES = 20
"""More than one STOW-RS request."""
USER = {"User": "gate", "Password": SECRET}


@pytest.fixture
def sending(tmp_path: Path, ct_files: list[Path]) -> Sending:
    return Sending(tmp_path, ct_files[:IMAGES])


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    with ExitStack() as stack:
        yield Pacs(tmp_path_factory.mktemp("pacs"), stack)


# DICOMweb


def test_stow_is_delivered_when_the_response_names_each_image(pacs: Pacs, sending: Sending) -> None:
    pacs.empty()
    sending.by(to(sending.secrets, Type="dicomweb", Url=f"{pacs.url}/dicom-web", **USER))
    assert sending.states() == {"stored": IMAGES}, sending.images()[0]
    assert pacs.held() == IMAGES


def test_stow_names_the_images_that_the_server_refuses(pacs: Pacs, sending: Sending) -> None:
    pacs.empty()
    spoilt = sending.images()[3].sop_instance_uid
    broken = sending.secrets.with_name("broken.dcm")
    broken.write_bytes(b"this is no DICOM file")
    sending.files[spoilt] = broken
    transport = to(sending.secrets, Type="dicomweb", Url=f"{pacs.url}/dicom-web/", **USER)
    sending.by(transport)
    assert sending.states() == {"pending": 1, "stored": IMAGES - 1}, "it may have been lost: once more"
    sending.by(transport)
    (refused,) = sending.images("refused")
    assert (refused.sop_instance_uid, refused.comment[:4]) == (spoilt, "HTTP")
    assert pacs.held() == IMAGES - 1


def test_an_image_deleted_from_orthanc_meanwhile_is_named(pacs: Pacs, sending: Sending) -> None:
    gone = [image.sop_instance_uid for image in sending.images()[-2:]]
    for uid in gone:
        del sending.files[uid]
    sending.by(to(sending.secrets, Type="dicomweb", Url=f"{pacs.url}/dicom-web", **USER))
    refused = sending.images("refused")
    assert [(each.sop_instance_uid, each.comment) for each in refused] == [
        (uid, "it was deleted from Orthanc before it was sent") for uid in gone
    ]
    assert sending.states() == {"refused": 2, "stored": IMAGES - 2}


def test_failed_sop_sequence_tells_what_may_pass_from_what_is_refused(sending: Sending) -> None:
    uids = [image.sop_instance_uid for image in sending.images()]
    answer = store_response(uids[:-2], {uids[-1]: 0xA700, uids[-2]: 0xC000})
    with stow_server(lambda _call: (202, answer)) as url:
        sending.by(to(sending.secrets, Type="dicomweb", Url=url))
    assert sending.states() == {"pending": 1, "refused": 1, "stored": IMAGES - 2}
    (refused,) = sending.images("refused")
    assert (refused.sop_instance_uid, refused.status) == (uids[-2], 0xC000)
    assert sending.images("pending")[0].sop_instance_uid == uids[-1]


def test_a_good_status_without_the_images_names_is_no_evidence(sending: Sending) -> None:
    with stow_server(lambda _call: (200, b"")) as url:
        transport = to(sending.secrets, Type="dicomweb", Url=url)
        sending.by(transport)
        assert sending.states() == {"pending": IMAGES}
        sending.by(transport)
    assert {image.comment for image in sending.images("refused")} == {"the response does not name it"}
    assert sending.states() == {"refused": IMAGES}


@pytest.mark.parametrize("status", [404, 429, 503])
def test_a_server_in_trouble_is_tried_again_and_no_image_is_blamed(sending: Sending, status: int) -> None:
    with stow_server(lambda _call: (status, b"no")) as url, pytest.raises(PassingTrouble, match=str(status)):
        sending.by(to(sending.secrets, Type="dicomweb", Url=url))
    assert sending.states() == {"pending": IMAGES}


# an Orthanc peer


def test_a_peer_is_delivered_when_each_image_is_looked_up_there(pacs: Pacs, sending: Sending) -> None:
    pacs.empty()
    transport = to(sending.secrets, Type="orthanc", Url=pacs.url, **USER)
    sending.by(transport)
    assert sending.states() == {"committed": IMAGES}
    assert pacs.held() == IMAGES


def test_an_image_that_a_peer_took_and_lost_is_sent_once_more_then_named(
    pacs: Pacs, sending: Sending
) -> None:
    transport = to(sending.secrets, Type="orthanc", Url=pacs.url, **USER)
    progress = Progress(sending.ledger, sending.deliveries()[0], limit_s=20)
    for left in ("pending", "refused"):
        transport.send(sending.images("pending"), sending.read, progress)
        pacs.empty()
        transport.confirm(sending.images("stored"), progress)
        assert sending.states() == {left: IMAGES}
    assert {image.comment for image in sending.images()} == {"it was posted, but is not there"}


def test_other_content_under_the_same_uid_is_named(pacs: Pacs, sending: Sending) -> None:
    pacs.empty()
    transport = to(sending.secrets, Type="orthanc", Url=pacs.url, **USER)
    progress = Progress(sending.ledger, sending.deliveries()[0], limit_s=20)
    transport.send(sending.images("pending"), sending.read, progress)
    transport.confirm([replace(sending.images("stored")[0], md5="0" * 32)], progress)
    (image,) = sending.images("committed")
    assert image.comment == "the destination holds other content under this UID"


def test_what_is_no_orthanc_is_told_so(pacs: Pacs, sending: Sending) -> None:
    transport = to(sending.secrets, Type="orthanc", Url=f"{pacs.url}/dicom-web", **USER)
    with pytest.raises(PassingTrouble, match="not as Orthanc does"):
        transport.echo()


# who calls, and over what


@pytest.mark.parametrize("kind", ["dicomweb", "orthanc"])
def test_https_with_the_right_authority_works_and_without_it_says_why(
    kind: str, pacs: Pacs, sending: Sending
) -> None:
    url = pacs.secure_url + ("/dicom-web" if kind == "dicomweb" else "")
    sending.by(to(sending.secrets, Type=kind, Url=url, **USER, **pacs.trusting()))
    assert not sending.images("pending")
    with pytest.raises(PassingTrouble, match=r"over TLS: .* certificate"):
        to(sending.secrets, Type=kind, Url=url, **USER).echo()


def test_a_wrong_password_is_told_without_telling_it(pacs: Pacs, sending: Sending) -> None:
    wrong = {"User": "gate", "Password": "guessed"}
    for kind, path in (("dicomweb", "/dicom-web"), ("orthanc", "")):
        with pytest.raises(PassingTrouble, match=r"401.*does not accept who calls") as trouble:
            sending.by(to(sending.secrets, Type=kind, Url=pacs.url + path, **wrong))
        assert "guessed" not in str(trouble.value)


def test_a_password_in_a_file_is_read_anew_each_time(pacs: Pacs, sending: Sending) -> None:
    sending.secrets.mkdir()
    transport = to(
        sending.secrets, Type="orthanc", Url=pacs.url, User="gate", Password={"File": "pacs-password"}
    )
    with pytest.raises(ConfigurationError, match="pacs-password cannot be read"):
        transport.echo()
    (sending.secrets / "pacs-password").write_text(SECRET + "\n", encoding="utf-8")
    assert transport.echo().status == "HTTP 200"


def test_a_token_from_the_environment_goes_out_as_bearer(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORTHOGEN_PACS_TOKEN", "abc")
    written = {"Type": "dicomweb", "Url": "http://pacs", "Token": {"Variable": "ORTHOGEN_PACS_TOKEN"}}
    destination = read_settings({"Destinations": {"P": written}}).destinations["P"]
    assert isinstance(destination, DicomwebDestination | OrthancDestination)
    assert authorization(destination, sending.secrets) == {"Authorization": "Bearer abc"}


def test_nobody_there_is_told_with_the_address(sending: Sending) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for kind in ("dicomweb", "orthanc"):
        with pytest.raises(PassingTrouble, match=rf"THERE \({url}\) cannot be reached"):
            sending.by(to(sending.secrets, Type=kind, Url=url))


# DICOM over TLS


def test_c_store_over_tls_with_certificates_on_both_sides(tmp_path: Path, sending: Sending) -> None:
    own = certificates(tmp_path / "certificates")
    at: dict[str, Any] = {"Aet": "PEER", "Host": "127.0.0.1", "Port": free_port(), "TimeoutSeconds": 10}
    ours = {"Certificate": str(own.certificate), "PrivateKey": str(own.key)}
    trust = {"TrustedCertificates": str(own.authority)}
    with storescp_over_tls(tmp_path / "received", own, at["Port"]):
        assert to(tmp_path, **at, Tls={**ours, **trust}).echo().status == "0x0000"
        sending.by(to(tmp_path, **at, Tls={**ours, **trust}))
        assert sending.states() == {"stored": IMAGES}, sending.images()[0]
        received = [str(dcmread(file).SOPInstanceUID) for file in (tmp_path / "received").iterdir()]
        assert sorted(received) == sorted(sending.files)
        with pytest.raises(PassingTrouble, match=r"over TLS: .* certificate"):
            to(tmp_path, **at, Tls=ours).echo()
        with pytest.raises(PassingTrouble):
            to(tmp_path, **at, Tls=trust).echo()
        with pytest.raises(PassingTrouble):
            to(tmp_path, **at).echo()


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    at = {"Aet": "PEER", "Host": "127.0.0.1", "Port": 104}
    with pytest.raises(ConfigurationError, match=r"no-such\.pem cannot be used"):
        to(tmp_path, **at, Tls={"TrustedCertificates": "/no-such.pem"}).echo()
