"""Parametric map, quality report, key objects and banner: valid, in the study, and the same when repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_templates.companions import CompanionRun, banner, key_objects, parametric_map, quality_report
from dicom_templates.companions.quality_report import metric_code
from dicom_templates.conformance import dcentvfy, dciodvfy
from dicom_templates.series_plan import is_own_result
from dicom_templates.to_series import WrittenInstance
from dicom_templates.uids import device_uid
from pipelines.errors import OrthogenError
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import IDENTITY, TRANSLATION, written

FIGURES = {
    "noise_ratio": 0.61,
    "structure_removed": 0.02,
    "noise_removed_hu": 7.5,
    "worst_slice_shift_hu": 1.25,
}


def run_of(phantom: Phantom, kind: str = "denoise") -> tuple[CompanionRun, list[bytes]]:
    series = written(phantom.instances(), kind)
    count = len(series.instances)
    run = CompanionRun(
        identity=IDENTITY if kind == "denoise" else TRANSLATION,
        first=series.sources[0],
        sources=[series.source(index) for index in range(count)],
        results=[series.result(index) for index in range(count)],
        series_index=5,
    )
    return run, [*series.source_files, *(instance.data for instance in series.instances)]


def deviation(run: CompanionRun) -> NDArray[np.float32]:
    rows, columns = run.results[0].Rows, run.results[0].Columns
    return np.linspace(0, 42.5, len(run.results) * rows * columns, dtype=np.float32).reshape(
        -1, rows, columns
    )


Maker = Callable[[CompanionRun], WrittenInstance]
MAKERS: dict[str, Maker] = {
    "map": lambda run: parametric_map(run, deviation(run)),
    "float_map": lambda run: parametric_map(run, deviation(run), "float32"),
    "report": lambda run: quality_report(run, "WARN", ["noise removed unevenly"], FIGURES),
    "key_objects": lambda run: key_objects(run, run.results[1:], ["structure removed"]),
    "banner": lambda run: banner(run, "AI: NOT AN ACQUIRED IMAGE"),
}
CYRILLIC = (("SpecificCharacterSet", "ISO_IR 144"), ("PatientName", "Жданов^Иван"))
PHANTOMS = {
    "ct": Phantom(slices=3),
    "mr": Phantom("MR", slices=3),
    "bare": Phantom(slices=3, attributes=(("BodyPartExamined", None), *CYRILLIC)),
}


def read(instance: WrittenInstance) -> Dataset:
    return dcmread(BytesIO(instance.data))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("phantom", PHANTOMS)
def test_every_companion_is_valid_and_agrees_with_its_study(maker: str, phantom: str, tmp_path: Path) -> None:
    run, files = run_of(PHANTOMS[phantom])
    companion = MAKERS[maker](run)
    report = dciodvfy(companion.data)
    assert report.errors == ()
    assert report.unexpected_warnings(dciodvfy(files[0])) == ()
    paths = []
    for index, data in enumerate([*files, companion.data]):
        paths.append(tmp_path / f"{index}.dcm")
        paths[-1].write_bytes(data)
    agreement = dcentvfy(paths)
    assert (agreement.errors, agreement.unexpected_warnings()) == ((), ())


@pytest.mark.parametrize("maker", MAKERS)
def test_a_companion_made_again_later_is_the_same_bytes(maker: str) -> None:
    run, _ = run_of(PHANTOMS["ct"])
    once = MAKERS[maker](run)
    time.sleep(1.1)
    again = MAKERS[maker](run_of(PHANTOMS["ct"])[0])
    assert once.data == again.data


@pytest.mark.parametrize("maker", MAKERS)
def test_a_companion_names_the_real_scanner_and_the_model(maker: str) -> None:
    run, _ = run_of(PHANTOMS["mr"])
    made = read(MAKERS[maker](run))
    items = {
        item.PurposeOfReferenceCodeSequence[0].CodeValue: item for item in made.ContributingEquipmentSequence
    }
    assert items["109101"].ManufacturerModelName == "Model S"
    assert items["109102"].DeviceUID == device_uid(IDENTITY.model_sha256)
    assert made.ManufacturerModelName == "Orthogen"
    assert is_own_result(made)


@pytest.mark.parametrize("maker", MAKERS)
def test_names_in_a_companion_are_the_bytes_of_the_source(maker: str) -> None:
    run, files = run_of(PHANTOMS["bare"])
    source = dcmread(BytesIO(files[0]))
    made = read(MAKERS[maker](run))
    assert made.get_item("PatientName").value == source.get_item("PatientName").value
    assert str(made.PatientName) == "Жданов^Иван"


@pytest.mark.parametrize("samples", ["uint16", "float32"])
def test_the_map_gives_its_deviations_back(samples: str) -> None:
    run, _ = run_of(PHANTOMS["ct"])
    expected = deviation(run)
    made = read(parametric_map(run, expected, samples))  # type: ignore[arg-type]
    groups = made.SharedFunctionalGroupsSequence[0]
    mapping = groups.RealWorldValueMappingSequence[0]
    back = made.pixel_array * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    places = [
        frame.PlanePositionSequence[0].ImagePositionPatient for frame in made.PerFrameFunctionalGroupsSequence
    ]
    for result, deviations in zip(run.results, expected, strict=True):
        frame = back[places.index(result.ImagePositionPatient)]
        assert np.abs(frame - deviations).max() <= 42.5 / 65535
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    derivation = made.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert derivation.DerivationCodeSequence[0].CodeValue == "123110"


def test_a_map_of_another_size_is_not_written() -> None:
    run, _ = run_of(PHANTOMS["ct"])
    with pytest.raises(OrthogenError, match="uncertainty map"):
        parametric_map(run, deviation(run)[:-1])
    with pytest.raises(OrthogenError, match="uncertainty map"):
        parametric_map(run, -deviation(run))


def test_the_report_says_verdict_figures_model_and_circumstances() -> None:
    run, _ = run_of(PHANTOMS["mr"], "translate")
    made = read(quality_report(run, "HOLD", ["structure removed"], FIGURES))
    assert (made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    assert made.SyntheticData == "YES"
    said = str(quality_report(run, "HOLD", ["structure removed"], FIGURES).data)
    for fact in ("111235", "0.61", "Hounsfield unit", TRANSLATION.model_sha256, "reason: structure removed"):
        assert fact in said
    assert "99ORTHOGEN" in made.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator
    referenced = {
        instance.ReferencedSOPInstanceUID
        for study in made.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    assert referenced == {str(image.SOPInstanceUID) for image in (*run.results, *run.sources)}


def test_figures_have_codes_that_fit_and_differ() -> None:
    names = ["ssim", "worst_slice_noise_ratio", "worst_slice_noise_ratios", "mean_shift_hu", "mean shift hu!"]
    made = [metric_code(name) for name in names]
    assert len({code.value for code in made}) >= 4
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in made)
