"""MR studies through a real node: the denoiser with its uncertainty, and the T1 to T2 translator."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEGLSLossless, generate_uid

from dicom_templates.conformance import check_instance
from dicom_templates.source import read_slice
from tests.node.a_node import ANode, storescu, until

MR = {"Modality": {"Equals": "MR"}}
SLICES = 4


def rule(name: str, pipeline: str, patient_id: str, **further: Any) -> dict[str, Any]:
    when = {**MR, "PatientID": {"Equals": patient_id}}
    return {"Name": name, "When": when, "Pipeline": pipeline, **further}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ANode]:
    rules = [
        rule("denoise", "mr-denoise", "noisy", Companions=["uncertainty"], OnHold="release"),
        rule("translate", "mr-t1-to-t2", "t1", OnHold="release"),
        rule("translate PD", "mr-t1-to-t2", "pd"),
    ]
    with ANode(tmp_path_factory.mktemp("node") / "storage", {"Rules": rules}) as node:
        yield node


def study(
    mr_files: list[Path], folder: Path, patient_id: str, sigma: float = 0.0, **changes: Any
) -> list[Path]:
    """The middle slices of the demonstration study as a study of their own, with Rician noise of `sigma`."""
    folder.mkdir()
    uids = {keyword: generate_uid() for keyword in ("StudyInstanceUID", "SeriesInstanceUID")}
    rng, made = np.random.default_rng(1), []
    for path in mr_files[8 : 8 + SLICES]:
        slice_ = dcmread(path)
        pixels = slice_.pixel_array.astype(np.float64)
        noise = sigma * 600.0 * rng.standard_normal((2, *pixels.shape))
        noisy = np.rint(np.hypot(pixels + noise[0], noise[1]) if sigma else pixels)
        dtype = slice_.pixel_array.dtype
        slice_.decompress(generate_instance_uid=False)
        slice_.PixelData = noisy.astype(dtype).tobytes()
        for keyword, value in {**uids, "PatientID": patient_id, **changes}.items():
            setattr(slice_, keyword, value)
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
        made.append(folder / path.name)
        slice_.save_as(made[-1], enforce_file_format=True)
    return made


def results_of(node: ANode, files: list[Path]) -> tuple[dict[str, Any], list[list[Dataset]]]:
    """The study's one job, once it has ended, and the series it wrote, slice by slice."""
    storescu(files, node.dicom_port)
    sent = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    (job,) = until(lambda: ended(node, sent), "the study's job", within_s=180)
    stored = {each["MainDicomTags"]["SeriesInstanceUID"]: each for each in node.series()}
    series = [stored[uid] for uid in job["result_series_uids"]]
    return job, [[dcmread(BytesIO(data)) for data in node.files_of(each)] for each in series]


def ended(node: ANode, study_instance_uid: str) -> list[dict[str, Any]]:
    jobs = node.jobs(study=study_instance_uid)
    return jobs if all(job["state"] in ("done", "held", "failed") for job in jobs) else []


def test_a_noisy_mr_study_comes_back_denoised_with_its_uncertainty(
    node: ANode, mr_files: list[Path], tmp_path: Path
) -> None:
    files = study(mr_files, tmp_path / "noisy", "noisy", sigma=0.05)
    job, (results, *companions) = results_of(node, files)
    assert job["state"] == "done", job["reasons"]
    sources = {str(dcmread(path).SOPInstanceUID): path for path in files}
    for result in results:
        source = sources[str(result.SourceImageSequence[0].ReferencedSOPInstanceUID)]
        assert list(check_instance(result, dcmread(source), "denoise")) == []
        assert result.SyntheticData == "YES"
    assert len(results) == SLICES
    (uncertainty,) = companions
    assert len(uncertainty) == SLICES
    for path in mr_files[8 : 8 + SLICES]:
        clean = read_slice(path.read_bytes()).values().astype(np.float64)
        noisy, denoised = (
            next(each for each in found if each.InstanceNumber == dcmread(path).InstanceNumber)
            for found in (map(dcmread, files), results)
        )
        head = clean > 100
        error_before, error_after = (
            np.sqrt(np.mean((image.pixel_array.astype(np.float64) - clean)[head] ** 2))
            for image in (noisy, denoised)
        )
        assert error_after < 0.75 * error_before


def test_a_t1_study_comes_back_as_a_synthetic_t2_that_says_so(
    node: ANode, mr_files: list[Path], tmp_path: Path
) -> None:
    """The pixels are proton density under the header of a T1: what is tested is what the result claims."""
    files = study(mr_files, tmp_path / "t1", "t1", RepetitionTime=500, EchoTime=12)
    job, (results,) = results_of(node, files)
    assert job["state"] == "done", job["reasons"]
    assert job["verdict"] != "PASS"
    assert any("was not acquired" in reason for reason in job["reasons"])
    for result in results:
        assert list(result.ImageType)[3] == "T2_SYNTHETIC"
        assert result.SeriesDescription.startswith("SYNTHETIC T2 from T1 (mr-t1-to-t2")
        assert result.SyntheticData == "YES"
        assert result.get("EchoTime") is None


def test_another_contrast_than_the_translator_takes_is_refused(
    node: ANode, mr_files: list[Path], tmp_path: Path
) -> None:
    job, results = results_of(node, study(mr_files, tmp_path / "pd", "pd"))
    assert (job["state"], results) == ("failed", [])
    assert "contrast is PD, mr-t1-to-t2 takes T1" in job["reasons"][0]
