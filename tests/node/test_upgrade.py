"""An upgrade in the midst of work: what was queued, running or waiting for its destination is finished by the
next version."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from tests.node.a_destination import results, storescp
from tests.node.a_node import CT_RULE, ROOT, ANode, free_port, storescu, until
from tests.node.small_studies import small_pipeline, small_studies

NEXT = "9.9.9"
SLICES = 2


def next_version(folder: Path) -> dict[str, str]:
    """An environment in which the same code is installed in another place, as the next version."""
    installed = folder / "next"
    for package in ("plugin", "pipelines", "dicom_templates"):
        shutil.copytree(ROOT / package, installed / package, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = installed / f"orthogen-{NEXT}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: orthogen\nVersion: {NEXT}\n")
    return {"PYTHONPATH": str(installed)}


def two_kinds_of_work(folder: Path, port: int) -> ANode:
    """Patients named SMALL take no time; the demonstration CT takes seconds."""
    small = {"PatientID": {"Matches": "^SMALL"}}
    rules = [
        {
            "Name": "small",
            "When": small,
            "Pipeline": "three-quarters",
            "Priority": "stat",
            "SendTo": ["PACS"],
        },
        {**CT_RULE, "When": {"All": [CT_RULE["When"], {"Not": small}]}, "SendTo": ["PACS"]},
    ]
    section = {
        "PipelineFolders": ["pipelines", str(small_pipeline(folder))],
        "Destinations": {"PACS": {"Aet": "PEER", "Host": "127.0.0.1", "Port": port}},
        "Rules": rules,
        "ParallelSlices": 1,
        "RetrySeconds": 0.5,
    }
    return ANode(folder / "storage", section)


def test_jobs_of_every_open_state_are_finished_by_the_next_version(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    port = free_port()
    first, *rest = small_studies(ct_files, tmp_path / "studies", count=3, slices=SLICES)
    node = two_kinds_of_work(tmp_path, port)
    with node:
        before = node.get("/orthogen/api/health")["version"]
        storescu(first.files, node.dicom_port)
        until(lambda: node.jobs(state="delivering"), "a delivery that waits for its destination")
        storescu(ct_files, node.dicom_port)
        until(lambda: any(job["progress"] > 0 for job in node.jobs(state="running")), "a running job")
        for study in rest:
            storescu(study.files, node.dicom_port)
        until(lambda: len(node.jobs(state="queued")) == len(rest), "queued jobs")
        assert node.stop() == 0

    node.environment = next_version(tmp_path)
    with storescp(tmp_path / "received", port), node:
        assert before != NEXT == node.get("/orthogen/api/health")["version"]
        jobs = node.ended_jobs(4)
        assert {job["state"] for job in jobs} == {"done"}, [job["reasons"] for job in jobs]
        counts = sorted(len(series["Instances"]) for series in node.result_series())
        assert counts == [SLICES] * 3 + [len(ct_files)]
        received = [dcmread(path) for path in (tmp_path / "received").iterdir()]
        assert sorted(str(each.SOPInstanceUID) for each in received) == results(node)
        versions = sorted(only_version_in(node.files_of(series)) for series in node.result_series())
        assert versions == [before, NEXT, NEXT, NEXT]


def only_version_in(files: list[bytes]) -> str:
    """The version of the node that wrote these instances; that of the others must be the same."""
    versions = {str(dcmread(BytesIO(data)).SoftwareVersions[0]) for data in files}
    assert len(versions) == 1, "half by one version, half by another"
    return versions.pop()
