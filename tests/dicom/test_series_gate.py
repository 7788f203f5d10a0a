"""The gate in the path: cheap on what it has seen, thorough on what it has not."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_templates.conformance import (
    DciodvfyReport,
    GateReport,
    NotConforming,
    SeriesGate,
    dciodvfy,
    series_gate,
)
from dicom_templates.to_series import WrittenInstance
from tests.dicom.phantom_series import Phantom
from tests.dicom.test_conformance_mutations import DEFECTS, Damage, kind_of, series_of
from tests.dicom.written_series import Written, written

VARYING = (("AcquisitionTime", "101500"), ("Exposure", "30"))


def rewritten(instance: WrittenInstance, dataset: Dataset) -> WrittenInstance:
    buffer = BytesIO()
    dataset.save_as(buffer)
    return replace(instance, data=buffer.getvalue())


def warmed(series: Written, kind: Any) -> SeriesGate:
    gate = SeriesGate(kind)
    assert gate.check(series.instances[0], series.sources[0]).passed
    return gate


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("kind", ["denoise", "difference"])
def test_a_good_series_passes_and_dciodvfy_is_asked_once_for_each_shape_of_instance(
    modality: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def counting(data: bytes) -> DciodvfyReport:
        asked.append(data)
        return dciodvfy(data)

    monkeypatch.setattr(series_gate, "dciodvfy", counting)
    series = written(Phantom(modality, slices=6, padding_value=0).instances(), kind)
    gate = SeriesGate(kind)
    for instance, source in zip(series.instances, series.sources, strict=True):
        assert gate.require(instance, source) is instance
    assert len(asked) == 2  # one result and its source


CAUGHT_AS_BYTES = [
    (rule, base, defect, damage)
    for rule, base, defect, damage in DEFECTS
    if rule != "G03" and base != "resample" and defect not in ("instance UID malformed",)
]


@pytest.mark.parametrize(
    ("rule", "base", "defect", "damage"),
    CAUGHT_AS_BYTES,
    ids=[f"{rule}-{defect}" for rule, _, defect, _ in CAUGHT_AS_BYTES],
)
def test_a_defect_that_comes_late_in_a_series_is_still_caught(
    rule: str, base: str, defect: str, damage: Damage
) -> None:
    series = series_of(base)
    gate = warmed(series, kind_of(base))
    result = series.result(2)
    damage(result, series.source(2))
    damaged = rewritten(series.instances[2], result)
    report = gate.check(damaged, series.sources[2])
    assert rule in {finding.rule for finding in report.findings}
    with pytest.raises(NotConforming):
        gate.require(damaged, series.sources[2])


def test_the_text_of_a_failure_quotes_no_value() -> None:
    error = "</PatientName(0010,0010)[1]> - Value invalid for this VR [PN] = <Phantom^Disc> - Too long"
    said = str(NotConforming(GateReport((), (error,), ())))
    assert "PatientName" in said
    assert "Phantom" not in said


def test_the_file_a_slice_was_read_from_is_there_for_the_validator() -> None:
    series = written(Phantom(slices=1).instances())
    assert dcmread(BytesIO(series.sources[0].file)).SOPInstanceUID == series.sources[0].sop_instance_uid
