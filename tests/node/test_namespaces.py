"""Two worker hosts beside the node, each in a network namespace of its own. One is cut off in the middle of a
job: the other finishes it, and what the first still has to say of it is refused."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import urllib3

from tests.node.a_cut_off_host import ORTHOGEN, AHost, a_host
from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.a_postgres import APostgres

USER, PASSWORD = "workers", "made for this test"
SLICES = 24


class GuardedNode(ANode):
    """Open to other hosts, so that Orthanc asks for a password."""

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        access = urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}")
        return super().request(method, path, body, **{**access, **headers})


@contextmanager
def cluster_for(hosts: list[AHost]) -> Iterator[APostgres]:
    """PostgreSQL that listens to these hosts too, with a password."""
    with APostgres(listens_on=",".join(["127.0.0.1", *(host.gateway for host in hosts)])) as cluster:
        with (cluster.folder / "data" / "pg_hba.conf").open("a") as access:
            access.writelines(f"host all all {host.gateway}/30 scram-sha-256\n" for host in hosts)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        yield cluster


class Scene:
    """A node without workers of its own, and two hosts with one worker each."""

    def __init__(self, folder: Path, hosts: list[AHost], cluster: APostgres) -> None:
        self.folder, self.hosts, self.cluster = folder, hosts, cluster
        self.database = cluster.fresh_database()
        users = {
            "AuthenticationEnabled": True,
            "RemoteAccessAllowed": True,
            "RegisteredUsers": {USER: PASSWORD},
        }
        section = {"Database": self.database, "Workers": 0, "ParallelSlices": 1, "Rules": [CT_RULE]}
        self.node = GuardedNode(folder / "storage", section, users)
        self.workers: dict[str, subprocess.Popen[str]] = {}

    def start_worker(self, host: AHost) -> None:
        worker = host.start(ORTHOGEN, "worker", "--config", self._configuration(host), log=self.log_of(host))
        self.workers[host.namespace] = worker
        assert worker.stdout is not None
        line = worker.stdout.readline()
        assert line.startswith("orthogen worker ready"), line + self.log_of(host).read_text()

    def _configuration(self, host: AHost) -> Path:
        """What an administrator writes on another machine."""
        address = {"Url": f"http://{host.gateway}:{self.node.http_port}", "User": USER, "Password": PASSWORD}
        database = self.cluster.url(self.database.rpartition("/")[2], host.gateway)
        section = {"Database": database, "Orthanc": address, "Workers": 1, "ParallelSlices": 1}
        path = self.folder / f"{host.namespace}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"StorageDirectory": host.namespace, "Orthogen": section}))
        return path

    def log_of(self, host: AHost) -> Path:
        return self.folder / f"{host.namespace}.log"

    def stop_worker(self, host: AHost) -> None:
        worker = self.workers.pop(host.namespace)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0
        worker.communicate()

    def holder(self) -> AHost | None:
        """The host whose worker is in the middle of a job."""
        if not any(0 < job["progress"] < 0.7 for job in self.node.jobs(state="running")):
            return None
        with psycopg.connect(self.database) as connection:
            found = connection.execute(
                "SELECT pid FROM orthogen_executors JOIN orthogen_jobs ON name = holder"
            )
            pids = [row[0] for row in found.fetchall()]
        return next((host for host in self.hosts for pid in pids if host.runs(pid)), None)

    def rows_of(self, job_id: str) -> list[tuple[Any, ...]]:
        """What the ledger and the queue hold of the job."""
        status = "SELECT status, executor_id FROM dbos.workflow_status WHERE workflow_uuid LIKE %s || '#%%'"
        with psycopg.connect(self.database) as connection:
            jobs = connection.execute("SELECT * FROM orthogen_jobs WHERE id = %s", (job_id,)).fetchall()
            return jobs + connection.execute(status, (job_id,)).fetchall()

    def results(self) -> dict[str, str]:
        """The digest of each stored result instance, by its Orthanc id."""
        instances = [each for series in self.node.result_series() for each in series["Instances"]]
        digest = "/instances/{}/attachments/dicom/md5".format
        return {each: self.node.request("GET", digest(each)).data.decode() for each in instances}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_host(0) as first, a_host(1) as second, cluster_for([first, second]) as cluster:
        scene = Scene(tmp_path, [first, second], cluster)
        try:
            with scene.node:
                yield scene
        finally:
            for worker in scene.workers.values():
                worker.kill()
                worker.communicate()


def test_the_job_of_a_host_that_is_cut_off_is_finished_by_another_and_its_late_write_is_refused(
    scene: Scene, ct_files: list[Path]
) -> None:
    for host in scene.hosts:
        scene.start_worker(host)
    storescu(ct_files, scene.node.dicom_port)
    lost = until(scene.holder, "a worker in the middle of a job")
    (rest,) = set(scene.hosts) - {lost}
    lost.cut_off()

    (job,) = scene.node.ended_jobs(1, within_s=90)
    assert job["state"] == "done", job["reasons"]
    assert [len(series["Instances"]) for series in scene.node.result_series()] == [SLICES]
    rows, results = scene.rows_of(job["id"]), scene.results()

    lost.reconnect()
    refusal = f"job {job['id']} is no longer this worker's"
    until(lambda: refusal in scene.log_of(lost).read_text(), "the refusal", 90)
    assert (scene.rows_of(job["id"]), scene.results()) == (rows, results)

    scene.stop_worker(rest)
    answer = scene.node.request(
        "POST",
        "/orthogen/api/jobs",
        {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise", "force": True},
        **{"X-Orthogen": "1"},
    )
    assert answer.status == 201
    assert {each["state"] for each in scene.node.ended_jobs(2, within_s=90)} == {"done"}
