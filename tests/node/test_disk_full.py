"""Full disks, at every stage: an alarm that names the disk, no new work, nothing lost, and on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.node.a_node import CT_RULE, ANode, storescu, until
from tests.node.a_postgres import APostgres
from tests.node.a_small_disk import ASmallDisk, a_small_disk
from tests.node.test_companions import strict_pipeline

NO_FLOOR = {"MinimumFreeMegabytes": 0, "ParallelSlices": 1}
CHANGES = {"X-Orthogen": "1"}


def at_work(node: ANode) -> dict[str, Any]:
    found = until(lambda: [job for job in node.jobs() if 0 < job["progress"] < 0.8], "a job at work", 180)
    (job,) = found
    return job


def until_waiting(node: ANode) -> None:
    until(lambda: [job for job in node.jobs() if job["stage"] == "no disk space"], "a job that waits", 180)


def alarm(node: ANode, *words: str) -> dict[str, Any]:
    """The health answer, once it is 503 and some reason says all these words."""

    def said() -> dict[str, Any] | None:
        answer = node.request("GET", "/orthogen/api/health")
        body = dict(answer.json())
        reasons = body.get("reasons") or [f"{body.get('detail')}; {body.get('remedy')}"]
        found = any(all(word in reason for word in words) for reason in reasons)
        return body if answer.status == 503 and found else None

    return until(said, f"a 503 that says {words}", 90)


def assert_done_as_if_nothing_had_been(node: ANode, slices: int) -> dict[str, Any]:
    (job,) = node.ended_jobs(1, 240)
    assert (job["state"], job["attempts"]) == ("done", 1)
    assert not any("disk" in reason for reason in job["reasons"])
    until(lambda: node.request("GET", "/orthogen/api/health").status == 200, "a healthy node", 90)
    assert [len(series["Instances"]) for series in node.result_series()] == [slices]
    return job


def test_a_database_that_is_full_during_inference_stops_nothing_for_good(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    with (
        a_small_disk(tmp_path / "storage" / "orthogen", 24) as disk,
        ANode(tmp_path / "storage", NO_FLOOR) as node,
    ):
        storescu(ct_files, node.dicom_port)
        at_work(node)
        disk.fill()
        alarm(node, "disk full", "make room")
        disk.make_room()
        assert_done_as_if_nothing_had_been(node, len(ct_files))


def test_a_database_that_is_full_while_images_come_takes_them_in_later(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    with (
        a_small_disk(tmp_path / "storage" / "orthogen", 24) as disk,
        ANode(tmp_path / "storage", NO_FLOOR) as node,
    ):
        disk.fill()
        alarm(node, "disk full")
        storescu(ct_files[:4], node.dicom_port)  # Orthanc's own disk has room
        alarm(node, "disk full")
        assert node.jobs() == []
        disk.make_room()
        assert_done_as_if_nothing_had_been(node, 4)


def test_below_the_floor_no_new_work_begins_and_what_runs_goes_on(
    tmp_path: Path, ct_files: list[Path], mr_files: list[Path]
) -> None:
    floor = {"MinimumFreeMegabytes": 8, "ParallelSlices": 1}
    with (
        a_small_disk(tmp_path / "storage" / "orthogen", 24) as disk,
        ANode(tmp_path / "storage", floor) as node,
    ):
        storescu(ct_files, node.dicom_port)
        job = at_work(node)
        disk.fill(leave_bytes=6_000_000)
        health = alarm(node, "disk full", str(disk.folder), "MB free", "MinimumFreeMegabytes")
        assert health["workers"][0]["ready"]
        wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise", "force": True}
        refused = node.request("POST", "/orthogen/api/jobs", wanted, **CHANGES)
        assert refused.status == 503
        assert str(disk.folder) in refused.json()["detail"]
        storescu(mr_files[:2], node.dicom_port)
        (done,) = node.ended_jobs(1, 240)
        assert done["state"] == "done"
        study = mr_study(node)
        assert node.get(f"/orthogen/api/explain?study={study}")["series"] == []
        disk.make_room()
        assert node.explained(study)


@contextmanager
def database_on(disk: ASmallDisk, postgres: APostgres) -> Iterator[str]:
    """The URL of an empty database of which every file lies there."""
    owner = postgres.folder.stat()
    os.chown(disk.folder, owner.st_uid, owner.st_gid)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'".encode())
        connection.execute("CREATE DATABASE on_small TABLESPACE small")
        try:
            yield postgres.url("on_small")
        finally:
            connection.execute("DROP DATABASE on_small WITH (FORCE)")
            connection.execute("DROP TABLESPACE small")


def test_a_postgresql_server_that_takes_no_more_rows_is_waited_out(
    tmp_path: Path, postgres: APostgres, ct_files: list[Path]
) -> None:
    with (
        a_small_disk(postgres.folder / "small", 96) as disk,
        database_on(disk, postgres) as url,
        ANode(tmp_path / "storage", {**NO_FLOOR, "Database": url}) as node,
    ):
        disk.fill()
        storescu(ct_files[:4], node.dicom_port)
        alarm(node, "disk full", "database", "No space left on device")
        disk.make_room()
        assert_done_as_if_nothing_had_been(node, 4)


def mr_study(node: ANode) -> str:
    (study,) = [
        study["MainDicomTags"]["StudyInstanceUID"]
        for study in node.get("/studies?expand")
        if node.get(f"/studies/{study['ID']}/series")[0]["MainDicomTags"]["Modality"] == "MR"
    ]
    return str(study)


def test_orthancs_own_full_disk_is_waited_out_by_the_job(tmp_path: Path, ct_files: list[Path]) -> None:
    with (
        a_small_disk(tmp_path / "storage", 48) as disk,
        a_small_disk(tmp_path / "storage" / "orthogen", 24),
        ANode(tmp_path / "storage", NO_FLOOR) as node,
    ):
        storescu(ct_files, node.dicom_port)
        at_work(node)
        disk.fill()
        until_waiting(node)
        alarm(node, "disk full", "Orthanc")
        with pytest.raises(subprocess.CalledProcessError):  # 0xA700, out of resources: the sender knows
            storescu([another(ct_files[0], tmp_path)], node.dicom_port)
        disk.make_room()
        assert_done_as_if_nothing_had_been(node, len(ct_files))


def another(file: Path, folder: Path) -> Path:
    """An image that Orthanc does not have yet."""
    dataset = dcmread(file)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.save_as(folder / "new.dcm")
    return folder / "new.dcm"


@pytest.mark.parametrize("kept", ["shadow", "held"])
def test_a_folder_of_results_kept_aside_that_is_full_is_waited_out(
    tmp_path: Path, ct_files: list[Path], kept: str
) -> None:
    rule = {**CT_RULE, "Mode": "shadow" if kept == "shadow" else "live"}
    folders = [str(strict_pipeline(tmp_path))] if kept == "held" else ["pipelines"]
    section = {**NO_FLOOR, "PipelineFolders": folders, "Rules": [rule]}
    with (
        a_small_disk(tmp_path / "storage" / "orthogen" / kept, 2) as disk,
        ANode(tmp_path / "storage", section) as node,
    ):
        storescu(ct_files, node.dicom_port)
        until(
            lambda: [job for job in node.jobs() if job["stage"] == "no disk space"], "a job that waits", 180
        )
        alarm(node, "disk full", kept)
        disk.grow(64)
        (job,) = node.ended_jobs(1, 240)
        assert (job["state"], job["attempts"]) == ("done" if kept == "shadow" else "held", 1)
        assert len(list((disk.folder / job["id"]).glob("*.dcm"))) == len(ct_files)
        until(lambda: node.request("GET", "/orthogen/api/health").status == 200, "a healthy node", 90)
