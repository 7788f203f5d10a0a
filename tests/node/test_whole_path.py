"""A real CT goes into a real Orthanc by storescu, and a marked result series comes back in the same study."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dicom_templates.conformance import check_instance, dciodvfy
from dicom_templates.source import read_slice
from tests.node.a_node import ROOT, ANode, storescu

REFERENCE_CHECKER = ROOT.parent / "shared" / "dicom" / "check_output.py"
GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ANode]:
    with ANode(tmp_path_factory.mktemp("node") / "storage") as node:
        yield node


@pytest.fixture(scope="module")
def results(node: ANode, ct_files: list[Path]) -> dict[str, bytes]:
    """Result files by the SOP Instance UID of the source each names first."""
    storescu(ct_files[:10], node.dicom_port)
    (job,) = node.ended_jobs(1)
    assert job["state"] == "done", job["reasons"]
    assert job["verdict"] in ("PASS", "WARN")
    (series,) = node.result_series()
    assert [series["MainDicomTags"]["SeriesInstanceUID"]] == job["result_series_uids"]
    files = node.files_of(series)
    return {str(parse(data).SourceImageSequence[0].ReferencedSOPInstanceUID): data for data in files}


@pytest.fixture(scope="module")
def sources(ct_files: list[Path]) -> dict[str, bytes]:
    return {str(dcmread(path).SOPInstanceUID): path.read_bytes() for path in ct_files[:10]}


def parse(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def test_every_source_slice_has_one_result_in_the_same_study(
    node: ANode, sources: dict[str, bytes], results: dict[str, bytes]
) -> None:
    assert set(results) == set(sources)
    assert len(node.get("/studies")) == 1


def test_geometry_is_identical(sources: dict[str, bytes], results: dict[str, bytes]) -> None:
    for uid, data in results.items():
        result, source = parse(data), parse(sources[uid])
        assert {key: result.get(key) for key in GEOMETRY} == {key: source.get(key) for key in GEOMETRY}


def test_no_rule_of_the_checklist_is_broken(sources: dict[str, bytes], results: dict[str, bytes]) -> None:
    findings = [
        finding
        for uid, data in results.items()
        for finding in check_instance(parse(data), parse(sources[uid]), "denoise")
    ]
    assert findings == []


@pytest.mark.skipif(not REFERENCE_CHECKER.exists(), reason="the reference checker is not beside the project")
def test_the_reference_checker_finds_nothing(
    sources: dict[str, bytes], results: dict[str, bytes], tmp_path: Path
) -> None:
    for name, files in (("source", sources), ("result", results)):
        (tmp_path / name).mkdir()
        for uid, data in files.items():
            (tmp_path / name / uid).write_bytes(data)
    folders = ["--source", str(tmp_path / "source"), "--result", str(tmp_path / "result")]
    command = [sys.executable, str(REFERENCE_CHECKER), *folders, "--kind", "denoise"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "10 result images checked, 0 findings" in ran.stdout


def test_dciodvfy_has_no_error_and_only_allowed_warnings(results: dict[str, bytes]) -> None:
    report = dciodvfy(next(iter(results.values())))
    assert list(report.errors) == []
    assert list(report.unexpected_warnings()) == []


def test_air_and_water_are_not_shifted(sources: dict[str, bytes], results: dict[str, bytes]) -> None:
    """Means over pixels deep inside air and soft tissue, chosen on a smoothed source, not by noise."""
    shifts: dict[str, list[float]] = {"air": [], "water": []}
    for uid, data in results.items():
        before, after = read_slice(sources[uid]).values(), read_slice(data).values()
        smooth = box_mean(before, 9)
        for name, low, high in (("air", -1000.0, -940.0), ("water", 0.0, 80.0)):
            inside = (smooth > low) & (smooth < high) & (box_deviation(before, smooth, 9) < 40)
            if inside.sum() > 500:
                shifts[name].append(float((after - before)[inside].mean()))
    assert shifts["water"]
    assert all(abs(np.mean(values)) < 1.0 for values in shifts.values() if values), shifts


def test_noise_is_really_lower(sources: dict[str, bytes], results: dict[str, bytes]) -> None:
    uid, data = sorted(results.items())[len(results) // 2]
    before, after = read_slice(sources[uid]).values(), read_slice(data).values()
    assert residual_noise(after) < 0.8 * residual_noise(before)


def box_mean(values: np.ndarray, size: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter

    mean: np.ndarray = uniform_filter(values.astype(np.float64), size)
    return mean


def box_deviation(values: np.ndarray, mean: np.ndarray, size: int) -> np.ndarray:
    variance = box_mean(values.astype(np.float64) ** 2, size) - mean**2
    deviation: np.ndarray = np.sqrt(np.maximum(variance, 0))
    return deviation


def residual_noise(values: np.ndarray) -> float:
    """Median absolute second difference along the rows, in HU, within soft tissue."""
    second = values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2]
    soft = np.abs(box_mean(values, 9)[:, 1:-1] - 40) < 60
    return float(np.median(np.abs(second[soft])))


def test_an_mr_study_matches_no_rule_and_says_why(node: ANode, mr_files: list[Path]) -> None:
    storescu(mr_files[:4], node.dicom_port)
    study = str(dcmread(mr_files[0]).StudyInstanceUID)
    (judgement,) = node.explained(study)
    assert "no rule matched" in judgement["summary"]
    assert "MR" in judgement["summary"]
    assert node.jobs(study=study) == []


def test_the_interface_answers_as_promised(node: ANode, results: dict[str, bytes]) -> None:
    health = node.get("/orthogen/api/health")
    assert health["status"] == "ok"
    assert {"version", "workers", "queue"} <= set(health)
    (job,) = node.jobs()
    assert node.get(f"/orthogen/api/jobs/{job['id']}") == job
    promised = {
        *("id", "state", "pipeline", "pipeline_version", "rule", "mode", "priority", "study_instance_uid"),
        *("source_series_uid", "result_series_uids", "verdict", "reasons", "progress", "attempts"),
        *("created", "started", "finished", "deliveries"),
    }
    assert promised <= set(job)
    assert node.jobs(state="failed") == []


def test_a_wrong_call_is_answered_with_error_detail_and_remedy(node: ANode) -> None:
    for method, path, status in (
        ("GET", "/orthogen/api/jobs/none", 404),
        ("GET", "/orthogen/api/jobs?state=lost", 400),
        ("POST", "/orthogen/api/jobs", 400),
        ("GET", "/orthogen/api/nothing", 404),
    ):
        answer = node.request(method, path, body={} if method == "POST" else None)
        assert answer.status == status, path
        assert {"error", "detail", "remedy"} <= set(answer.json())


def test_the_same_content_is_refused_a_second_time_unless_forced(
    node: ANode, results: dict[str, bytes]
) -> None:
    (job,) = node.jobs()
    wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise"}
    answer = node.request("POST", "/orthogen/api/jobs", wanted, **{"X-Orthogen": "1"})
    assert answer.status == 409
    assert answer.json()["job"]["id"] == job["id"]
    before = {series["ID"]: len(series["Instances"]) for series in node.result_series()}
    forced = node.request("POST", "/orthogen/api/jobs", {**wanted, "force": True}, **{"X-Orthogen": "1"})
    assert forced.status == 201
    node.ended_jobs(2)
    assert {series["ID"]: len(series["Instances"]) for series in node.result_series()} == before
