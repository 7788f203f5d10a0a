"""`orthogen run` on Enhanced multi-frame instances, as an administrator types it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from dicom_templates.conformance import dcentvfy, dciodvfy
from tests.dicom.enhanced_phantom import EnhancedPhantom
from tests.node.test_commands import orthogen, run

FRAMES = 6


@pytest.fixture
def enhanced_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def put(
    folder: Path, syntax: str = ExplicitVRLittleEndian, name: str = "enhanced.dcm", **changes: object
) -> Path:
    phantom = EnhancedPhantom(frames=FRAMES, rows=96, columns=128, transfer_syntax=syntax, **changes)  # type: ignore[arg-type]
    (folder / name).write_bytes(phantom.instance())
    return folder / name


def results(folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in sorted(folder.glob("*.dcm"))]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless])
def test_an_enhanced_ct_becomes_a_classic_series_that_verifies(
    enhanced_folder: Path, tmp_path: Path, syntax: str
) -> None:
    source = put(enhanced_folder, syntax)
    ran = run(enhanced_folder, tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    made = results(tmp_path / "out")
    frames = sorted(each.SourceImageSequence[0].ReferencedFrameNumber for each in made)
    assert frames == list(range(1, FRAMES + 1))
    source.rename(tmp_path / "out" / source.name)
    verified: subprocess.CompletedProcess[str] = orthogen("verify", tmp_path / "out")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_changed_source_frame_is_found_by_verify(enhanced_folder: Path, tmp_path: Path) -> None:
    source = put(enhanced_folder)
    assert run(enhanced_folder, tmp_path / "out").returncode == 0
    changed = bytearray(source.read_bytes())
    changed[-1] ^= 1
    (tmp_path / "out" / "source.dcm").write_bytes(changed)
    verified = orthogen("verify", tmp_path / "out")
    assert verified.returncode != 0
    assert "source's samples" in verified.stdout + verified.stderr


def test_companions_of_an_enhanced_source_conform(enhanced_folder: Path, tmp_path: Path) -> None:
    source = put(enhanced_folder)
    wanted = "difference,quality-report,banner"
    ran = run(enhanced_folder, tmp_path / "out", "--companions", wanted)
    assert ran.returncode == 0, ran.stderr
    paths = sorted((tmp_path / "out").glob("*.dcm"))
    assert len(paths) == 2 * FRAMES + 2
    for path in paths:
        report = dciodvfy(path)
        assert (report.errors, report.unexpected_warnings()) == ((), ())
    assert dcentvfy([source, *paths]).errors == ()


def test_two_enhanced_instances_in_one_series_are_refused(enhanced_folder: Path, tmp_path: Path) -> None:
    put(enhanced_folder)
    put(enhanced_folder, name="second.dcm", attributes={"SOPInstanceUID": "1.2.3.4"})
    ran = run(enhanced_folder, tmp_path / "out")
    assert ran.returncode == 3
    assert "several-enhanced" in ran.stderr
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_several_times_in_one_instance_are_refused(enhanced_folder: Path, tmp_path: Path) -> None:
    put(enhanced_folder, of_frame={2: {"FrameContentSequence": {"TemporalPositionIndex": 2}}})
    ran = run(enhanced_folder, tmp_path / "out")
    assert ran.returncode == 3
    assert "mixed-frames" in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["verdict"] == "REFUSED"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless])
def test_an_enhanced_ct_becomes_one_enhanced_instance_when_asked(
    enhanced_folder: Path, tmp_path: Path, syntax: str
) -> None:
    source = put(enhanced_folder, syntax)
    ran = run(enhanced_folder, tmp_path / "out", "--enhanced", "--companions", "quality-report,banner")
    assert ran.returncode == 0, ran.stderr
    made = {each.SOPClassUID.keyword: each for each in results(tmp_path / "out")}
    assert len(made) == 3
    result, original = made["EnhancedCTImageStorage"], dcmread(source)
    assert result.NumberOfFrames == FRAMES
    difference = result.pixel_array.astype(int) - original.pixel_array
    assert 0 < abs(difference).mean() < 100
    source.rename(tmp_path / "out" / "source.dcm")
    for path in (tmp_path / "out").glob("*.dcm"):
        report = dciodvfy(path)
        assert (report.errors, report.unexpected_warnings()) == ((), ())
    verified = orthogen("verify", tmp_path / "out")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_results_of_classic_sources_stay_classic_whatever_is_asked(
    ct_files: list[Path], enhanced_folder: Path, tmp_path: Path
) -> None:
    for path in ct_files[:2]:
        (enhanced_folder / path.name).write_bytes(path.read_bytes())
    assert run(enhanced_folder, tmp_path / "out", "--enhanced").returncode == 0
    assert [each.SOPClassUID.keyword for each in results(tmp_path / "out")] == ["CTImageStorage"] * 2


def test_a_parametric_map_beside_an_enhanced_result_is_refused(enhanced_folder: Path, tmp_path: Path) -> None:
    put(enhanced_folder)
    ran = run(enhanced_folder, tmp_path / "out", "--enhanced", "--companions", "parametric-map")
    assert ran.returncode == 3
    assert "enhanced-output" in ran.stderr
