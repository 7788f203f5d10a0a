"""Companions, proof and holding, in a real node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicom_templates.conformance import dciodvfy
from dicom_templates.manifest import SignedManifest, verified_thumbprint
from dicom_templates.source import read_slice
from tests.node.a_node import CT_RULE, ORTHOGEN, ROOT, ANode, storescu

COMPANIONS = ["difference", "quality-report", "key-objects", "banner"]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[ANode]:
    storage = tmp_path_factory.mktemp("companions") / "storage"
    with ANode(storage, {"Rules": [{**CT_RULE, "Companions": COMPANIONS}]}) as node:
        storescu(ct_files[:3], node.dicom_port)
        node.ended_jobs(1)
        yield node


def by_description(node: ANode) -> dict[str, list[bytes]]:
    made = {}
    for series in node.series():
        description = series["MainDicomTags"].get("SeriesDescription", "")
        if description.startswith("AI "):
            made[description.split(" (")[0]] = node.files_of(series)
    return made


def test_every_companion_of_the_rule_is_in_the_study_and_conforms(node: ANode) -> None:
    made = by_description(node)
    assert set(made) == {"AI denoise", "AI difference", "AI quality report", "AI banner"}
    (job,) = node.jobs()
    assert job["verdict"] == "PASS"
    assert len(job["result_series_uids"]) == 4
    for files in made.values():
        report = dciodvfy(files[0])
        assert list(report.errors) == []
        assert list(report.unexpected_warnings()) == []


def test_the_difference_is_result_minus_source(node: ANode, ct_files: list[Path]) -> None:
    made = by_description(node)
    sources = {str(dcmread(path).SOPInstanceUID): read_slice(path.read_bytes()) for path in ct_files[:3]}
    results = {source_of(data): read_slice(data).values() for data in made["AI denoise"]}
    for data in made["AI difference"]:
        uid = source_of(data)
        result = results[uid]
        inside = result > result.min()  # below, the result was cut off at the lowest value it can store
        expected = (result - sources[uid].values())[inside]
        assert np.abs(read_slice(data).values()[inside] - expected).max() <= 1.0


def source_of(data: bytes) -> str:
    return str(dcmread(BytesIO(data)).SourceImageSequence[0].ReferencedSOPInstanceUID)


def test_the_signed_manifest_hangs_on_the_result_series(node: ANode) -> None:
    for series in node.result_series():
        if series["MainDicomTags"]["Modality"] != "CT":
            continue
        answer = node.request("GET", f"/series/{series['ID']}/attachments/1024/data")
        assert answer.status == 200
        signed = SignedManifest.from_json(answer.data)
        assert verified_thumbprint(signed)
        assert signed.manifest["result_series_instance_uid"] == series["MainDicomTags"]["SeriesInstanceUID"]
        assert len(signed.manifest["instances"]) == len(series["Instances"])
        assert "PatientName" not in answer.data.decode()


def test_verify_finds_one_changed_sample(tmp_path: Path, ct_files: list[Path]) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(ct_files[3], tmp_path / "in")
    key = tmp_path / "key.json"
    run = ["run", "--pipeline", "ct-denoise", "--input", tmp_path / "in", "--output", tmp_path / "out"]
    assert orthogen(*run, "--key", key, "--companions", "difference").returncode == 0
    assert orthogen("verify", tmp_path / "out").returncode == 0
    path = next((tmp_path / "out").glob("*.dcm"))
    dataset = dcmread(path)
    pixels = bytearray(dataset.PixelData)
    pixels[1000] ^= 1
    dataset.PixelData = bytes(pixels)
    dataset.save_as(path)
    ran = orthogen("verify", tmp_path / "out")
    assert ran.returncode != 0
    assert path.name in ran.stderr or str(dataset.SOPInstanceUID) in ran.stderr


def orthogen(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ORTHOGEN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def strict_pipeline(folder: Path) -> Path:
    """The shipped pipeline under limits that nothing can keep, so that the gate must hold its result."""
    target = folder / "pipelines" / "ct-denoise"
    shutil.copytree(ROOT / "pipelines" / "ct-denoise", target)
    manifest = json.loads((target / "pipeline.json").read_text())
    manifest["Gate"] = {**manifest["Gate"], "NoiseRatioHold": [0.98, 0.99], "NoiseRatioWarn": [0.98, 0.99]}
    (target / "pipeline.json").write_text(json.dumps(manifest))
    return target.parent


def held_node(tmp_path: Path, **rule: object) -> ANode:
    section = {"PipelineFolders": [str(strict_pipeline(tmp_path))], "Rules": [{**CT_RULE, **rule}]}
    return ANode(tmp_path / "storage", section)


def test_a_held_result_is_aside_until_a_person_releases_it(tmp_path: Path, ct_files: list[Path]) -> None:
    with held_node(tmp_path) as node:
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert (job["state"], job["verdict"]) == ("held", "HOLD")
        assert job["reasons"]
        assert node.result_series() == []
        path = f"/orthogen/api/jobs/{job['id']}/release"
        assert node.request("POST", path).status == 400
        assert node.request("POST", path, {}, **{"X-Orthogen": "1"}).status == 200
        (series,) = node.result_series()
        assert len(series["Instances"]) == 3
        assert node.request("GET", f"/series/{series['ID']}/attachments/1024/data").status == 200
        assert node.request("POST", path, {}, **{"X-Orthogen": "1"}).status == 409


def test_a_held_result_that_is_rejected_is_gone(tmp_path: Path, ct_files: list[Path]) -> None:
    with held_node(tmp_path) as node:
        storescu(ct_files[:2], node.dicom_port)
        (job,) = node.ended_jobs(1)
        answer = node.request("POST", f"/orthogen/api/jobs/{job['id']}/reject", {}, **{"X-Orthogen": "1"})
        assert answer.json()["state"] == "cancelled"
        assert node.result_series() == []
        assert not list((node.storage / "orthogen" / "held").rglob("*.dcm"))


def test_run_puts_a_held_result_under_held_and_exits_3(tmp_path: Path, ct_files: list[Path]) -> None:
    configuration = tmp_path / "strict.json"
    folder = strict_pipeline(tmp_path)
    configuration.write_text(json.dumps({"Orthogen": {"PipelineFolders": [str(folder)]}}))
    (tmp_path / "in").mkdir()
    shutil.copy(ct_files[3], tmp_path / "in")
    arguments = ["--input", tmp_path / "in", "--output", tmp_path / "out", "--config", configuration]
    ran = orthogen("run", "--pipeline", "ct-denoise", *arguments)
    assert ran.returncode == 3
    assert "held" in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["verdict"] == "HOLD"
    assert list((tmp_path / "out" / "held").glob("*.dcm"))
    assert not list((tmp_path / "out").glob("*.dcm"))
