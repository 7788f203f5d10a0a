"""The commands that need no Orthanc, as an administrator types them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.node.a_node import CT_RULE, ORTHOGEN, ROOT


def orthogen(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ORTHOGEN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def run(source: Path, output: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return orthogen("run", "--pipeline", "ct-denoise", "--input", source, "--output", output, *more)


@pytest.fixture
def mixed_folder(tmp_path: Path, ct_files: list[Path]) -> Path:
    """Four slices under random names in sub-folders, with junk beside them."""
    folder = tmp_path / "input"
    names = random.Random(1).sample(range(1000), 4)
    for name, path in zip(names, ct_files[:4], strict=True):
        target = folder / str(name % 2) / str(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copy(ct_files[0], folder / "again.dcm")
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "empty").touch()
    return folder


def test_run_takes_a_folder_in_any_order_and_reports_junk(mixed_folder: Path, tmp_path: Path) -> None:
    ran = run(mixed_folder, tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout.splitlines()[-1])
    assert report["verdict"] in ("PASS", "WARN")
    results = [dcmread(path) for path in (tmp_path / "out").glob("*.dcm")]
    assert len(results) == 4
    assert len({result.SeriesInstanceUID for result in results}) == 1
    for name in ("notes.txt", "empty", "again.dcm"):
        assert f"{name} passed over" in ran.stderr


def test_a_one_slice_series_works(tmp_path: Path, ct_files: list[Path]) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(ct_files[3], tmp_path / "in")
    ran = run(tmp_path / "in", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 1


def test_a_refused_series_writes_nothing_and_says_why(tmp_path: Path, mr_files: list[Path]) -> None:
    ran = run(mr_files[0].parent, tmp_path / "out")
    assert ran.returncode == 3
    assert "MR" in ran.stderr
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_a_gap_in_the_series_is_refused(tmp_path: Path, ct_files: list[Path]) -> None:
    (tmp_path / "in").mkdir()
    for path in [*ct_files[:3], *ct_files[6:9]]:
        shutil.copy(path, tmp_path / "in")
    ran = run(tmp_path / "in", tmp_path / "out")
    assert ran.returncode == 3
    assert "gap" in ran.stderr


def test_a_result_is_never_overwritten(tmp_path: Path, ct_files: list[Path]) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(ct_files[3], tmp_path / "in")
    assert run(tmp_path / "in", tmp_path / "out").returncode == 0
    (path,) = (tmp_path / "out").glob("*.dcm")
    before = path.read_bytes()
    ran = run(tmp_path / "in", tmp_path / "out")
    assert ran.returncode != 0
    assert "already exists" in ran.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--pipeline", "none", "--input", ".", "--output", "x"),
        ("run", "--pipeline", "ct-denoise", "--input", "no-such-folder", "--output", "x"),
        ("run", "--pipeline", "ct-denoise"),
        ("fly",),
    ],
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    ran = orthogen(*arguments)
    assert ran.returncode == 2
    assert ran.stderr


def test_check_accepts_the_configuration_that_ships() -> None:
    ran = orthogen("check", "orthanc.json")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_check_names_every_mistake_with_its_key_and_remedy(tmp_path: Path) -> None:
    section = {
        "Worker": 2,
        "QuietSeconds": "soon",
        "Destinations": {"PACS": {"Aet": "PACS", "Host": "pacs", "Port": 70000}},
        "Rules": [
            {**CT_RULE, "When": {"Modalty": {"Equals": "CT"}}},
            {**CT_RULE, "Name": "b", "Pipeline": "ct-denois"},
            {**CT_RULE, "Name": "c", "SendTo": ["ARCHIVE"]},
        ],
    }
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"Orthogen": section}))
    ran = orthogen("check", path)
    assert ran.returncode == 2
    lines = ran.stdout.splitlines()
    for key in (
        "Orthogen.Worker",
        "Orthogen.QuietSeconds",
        "Orthogen.Destinations.PACS.Port",
        "Orthogen.Rules[0].When.Modalty",
        "Orthogen.Rules[1].Pipeline",
        "Orthogen.Rules[2].SendTo",
    ):
        (line,) = [line for line in lines if line.startswith(f"{path}: {key}")]
        assert ";" in line


def test_pipelines_lists_digest_envelope_and_what_was_measured() -> None:
    (found,) = [
        each for each in json.loads(orthogen("pipelines", "--json").stdout) if each["name"] == "ct-denoise"
    ]
    assert len(found["model_sha256"]) == 64
    assert found["generative"] is False
    assert found["evaluation"]
    assert found["envelope"][0]["Modality"] == "CT"
    assert "ct-denoise" in orthogen("pipelines").stdout
