"""A signed manifest proves samples, and stops proving when anything is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from dicom_templates.manifest import (
    MANIFEST_FILE,
    ProvenInstance,
    SignatureBroken,
    SignedManifest,
    manifest_of,
    new_signing_key,
    samples_sha256,
    sign,
    verified_thumbprint,
)
from dicom_templates.source import read_slice
from dicom_templates.verify import verify_folder
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import IDENTITY, Written, written

KEY = new_signing_key()


def signed_manifest(series: Written, seed: int = 7) -> SignedManifest:
    proven = [
        ProvenInstance(
            result_sop_instance_uid=instance.sop_instance_uid,
            result_samples_sha256=samples_sha256(read_slice(instance.data).stored_values),
            source_sop_instance_uid=source.sop_instance_uid,
            source_samples_sha256=samples_sha256(source.stored_values),
            source_transfer_syntax_uid=source.transfer_syntax_uid,
        )
        for instance, source in zip(series.instances, series.sources, strict=True)
    ]
    result = series.result(0)
    manifest = manifest_of(
        replace(IDENTITY, seed=seed),
        study_instance_uid=str(result.StudyInstanceUID),
        source_series_instance_uid=str(series.source(0).SeriesInstanceUID),
        result_series_instance_uid=str(result.SeriesInstanceUID),
        instances=proven,
        verdict="PASS",
        measurements={"ssim": 0.987},
    )
    return sign(manifest, KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    series = written(Phantom(slices=3).instances())
    for index, instance in enumerate(series.instances):
        (tmp_path / f"result-{index}.dcm").write_bytes(instance.data)
        (tmp_path / f"source-{index}.dcm").write_bytes(series.source_files[index])
    (tmp_path / MANIFEST_FILE).write_text(signed_manifest(series).to_json(), "utf-8")
    return tmp_path


def test_an_untouched_folder_is_verified_by_the_key_that_signed(folder: Path) -> None:
    report = verify_folder(folder)
    assert report.passed
    assert (report.instances, report.manifests, report.signers) == (3, 1, (KEY.thumbprint(),))
    assert verify_folder(folder, [KEY.thumbprint()]).passed


def test_another_transfer_syntax_leaves_the_proof_standing(folder: Path) -> None:
    result = dcmread(folder / "result-1.dcm")
    result.compress(RLELossless, generate_instance_uid=False)
    result.save_as(folder / "result-1.dcm")
    assert verify_folder(folder).passed


def flip_a_sample(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(bytes(data))


TOUCHES: list[tuple[str, Callable[[Path], None]]] = [
    ("not those that were signed", lambda folder: flip_a_sample(folder / "result-1.dcm")),
    ("not those that were processed", lambda folder: flip_a_sample(folder / "source-1.dcm")),
    ("not in the folder", lambda folder: (folder / "result-2.dcm").unlink()),
    ("no provenance.json", lambda folder: (folder / MANIFEST_FILE).unlink()),
]


@pytest.mark.parametrize(("problem", "touch"), TOUCHES, ids=[problem for problem, _ in TOUCHES])
def test_whatever_is_touched_is_named(folder: Path, problem: str, touch: Callable[[Path], None]) -> None:
    touch(folder)
    report = verify_folder(folder)
    assert not report.passed
    assert any(problem in found for found in report.problems)


@pytest.mark.parametrize("key", ["verdict", "run", "instances", "result_series_instance_uid"])
def test_a_changed_manifest_breaks_its_signature(folder: Path, key: str) -> None:
    document = json.loads((folder / MANIFEST_FILE).read_text())
    document["manifest"][key] = "HOLD" if key == "verdict" else []
    (folder / MANIFEST_FILE).write_text(json.dumps(document))
    report = verify_folder(folder)
    assert not report.passed
    assert "signature" in report.problems[0]


def test_a_result_that_no_manifest_lists_is_a_problem(folder: Path) -> None:
    stray = written(Phantom(slices=4).instances())
    (folder / "stray.dcm").write_bytes(stray.instances[3].data)
    assert any("no manifest proves" in problem for problem in verify_folder(folder).problems)


def test_a_key_that_is_not_trusted_is_a_problem(folder: Path) -> None:
    report = verify_folder(folder, [new_signing_key().thumbprint()])
    assert not report.passed
    assert "untrusted" in report.problems[0]


def test_a_signature_of_another_manifest_or_by_another_key_does_not_fit() -> None:
    series = written(Phantom(slices=2).instances())
    one, other = signed_manifest(series), signed_manifest(series, seed=8)
    assert verified_thumbprint(one) == KEY.thumbprint()
    with pytest.raises(SignatureBroken):
        verified_thumbprint(SignedManifest(one.manifest, other.signature))
    with pytest.raises(SignatureBroken):
        verified_thumbprint(SignedManifest(one.manifest, "no.signature"))
    with pytest.raises(SignatureBroken):
        SignedManifest.from_json("{}")


def test_a_manifest_says_how_the_result_was_made_and_nothing_of_the_patient() -> None:
    series = written(Phantom(slices=2).instances())
    said = signed_manifest(series, seed=2**63).to_json()
    for fact in (IDENTITY.model_sha256, IDENTITY.config_sha256, str(2**63), "onnxruntime 1.32.0", "job-1"):
        assert fact in said
    for patient in ("Phantom", "P-0001", "19700101", "A-77"):
        assert patient not in said


def test_an_unreadable_file_in_the_folder_is_passed_over(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "notes.txt").write_text("hello")
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    assert verify_folder(copy).passed
    assert dcmread(BytesIO((copy / "result-0.dcm").read_bytes())).Modality == "CT"
