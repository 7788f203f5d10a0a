"""`orthogen worker` and an Orthanc with a password, behind TLS."""

from __future__ import annotations

from pathlib import Path

from tests.node.a_certificate import certificates
from tests.node.a_destination import CHANGES
from tests.node.a_node import storescu, until
from tests.node.a_postgres import APostgres
from tests.node.a_web_receiver import tls_proxy
from tests.node.test_namespaces import PASSWORD, USER, GuardedNode
from tests.node.test_worker_command import a_worker, configuration


def test_a_worker_reaches_an_orthanc_with_a_password_over_tls_if_it_trusts_its_certificate(
    tmp_path: Path, postgres: APostgres, ct_files: list[Path]
) -> None:
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {USER: PASSWORD}}
    section = {"Database": postgres.fresh_database(), "Workers": 0}
    own = certificates(tmp_path / "certificates")
    with (
        GuardedNode(tmp_path / "storage", section, users) as node,
        tls_proxy(node.url, own) as url,
    ):
        access = {"Url": url, "User": USER, "Password": PASSWORD}
        slow = {"RetrySeconds": 3600, "MaximumAttempts": 9}
        with a_worker(configuration(tmp_path / "wary", node, Orthanc=access, **slow)):
            storescu(ct_files[:2], node.dicom_port)
            said = until(lambda: [r for job in node.jobs() for r in job["reasons"]], "a reason why not")
            assert f"Orthanc does not answer at {url} (SSLError)" in said[0]
        (job,) = node.jobs()
        assert node.request("POST", f"/orthogen/api/jobs/{job['id']}/cancel", {}, **CHANGES).status == 200
        assert node.request("POST", f"/orthogen/api/jobs/{job['id']}/retry", {}, **CHANGES).status == 200

        trusted = {**access, "Tls": {"TrustedCertificates": str(own.authority)}}
        with a_worker(configuration(tmp_path / "trusting", node, Orthanc=trusted)):
            (done,) = node.ended_jobs(1)
        assert (done["state"], len(node.result_series())) == ("done", 1)
        for name in ("wary", "trusting"):
            assert PASSWORD not in (tmp_path / name / "log").read_text()
