"""Difference and uncertainty series, and results on a grid of their own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dicom_templates.conformance import check_instance, dcentvfy, dciodvfy
from dicom_templates.source import read_slice
from pipelines.errors import OrthogenError
from tests.dicom.phantom_series import OBLIQUE, Phantom
from tests.dicom.written_series import Written, resampled, unchanged, written


def assert_conforming(series: Written, kind: str) -> None:
    for index in range(len(series.instances)):
        assert check_instance(series.result(index), series.source(index), kind) == []  # type: ignore[arg-type]
    report, of_source = dciodvfy(series.instances[0].data), dciodvfy(series.source_files[0])
    assert report.own_errors(of_source) == ()
    assert report.unexpected_warnings(of_source) == ()


def ramp(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.linspace(-150.4, 150.4, values.size, dtype=np.float32).reshape(values.shape)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("padding", [None, 0])
def test_differences_are_signed_and_read_back_within_half_a_unit(modality: str, padding: int | None) -> None:
    series = written(Phantom(modality, slices=2, padding_value=padding).instances(), "difference", ramp)
    assert_conforming(series, "difference")
    back = read_slice(series.instances[0].data)
    measured = np.ones(back.stored_values.shape, bool)
    if padding is not None:
        measured[:3], measured[-1] = False, False
        assert (back.values()[~measured] == 0).all()
    assert np.abs(back.values() - ramp(back.values()))[measured].max() <= 0.5
    assert series.result(0).SeriesDescription.startswith("AI difference (")


def test_an_uncertainty_of_ct_keeps_tenths_of_hounsfield_units() -> None:
    series = written(Phantom(slices=2).instances(), "uncertainty", lambda values: np.abs(ramp(values)))
    assert_conforming(series, "uncertainty")
    back = read_slice(series.instances[0].data).values()
    assert np.abs(back - np.abs(ramp(back))).max() <= 0.0501
    assert (series.result(0).WindowCenter, series.result(0).WindowWidth) == (25, 50)


def test_an_uncertainty_of_mr_is_in_units_of_signal() -> None:
    series = written(Phantom("MR", slices=2).instances(), "uncertainty", lambda values: np.abs(ramp(values)))
    assert_conforming(series, "uncertainty")
    assert series.result(0).ImageType[3] == "UNCERTAINTY"


def test_the_companions_of_one_run_are_series_of_their_own() -> None:
    files = Phantom(slices=2).instances()
    series = [written(files, kind, unchanged) for kind in ("denoise", "difference", "uncertainty")]
    assert len({each.result(0).SeriesInstanceUID for each in series}) == 3
    assert len({each.result(0).SOPInstanceUID for each in series}) == 3


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("padding", [None, 0])
def test_a_result_on_a_finer_grid_says_where_it_lies(modality: str, padding: int | None) -> None:
    phantom = Phantom(modality, slices=3, orientation=OBLIQUE, padding_value=padding)
    series = resampled(phantom)
    assert len(series.instances) == 5
    assert_conforming(series, "resample")
    result = series.result(3)
    assert (result.Rows, result.Columns, result.InstanceNumber) == (96, 128, 4)
    assert list(result.PixelSpacing) == [0.375, 0.375]
    assert result.SyntheticData == "YES"
    assert "PixelPaddingValue" not in result
    assert np.allclose(
        np.subtract(series.result(4).ImagePositionPatient, series.result(0).ImagePositionPatient),
        np.multiply(2 * 2.5, series.plan.grid.normal_lps),
        atol=1e-5,
    )
    assert len({instance.sop_instance_uid for instance in series.instances}) == 5


def test_a_result_that_does_not_fit_its_grid_is_never_written() -> None:
    with pytest.raises(OrthogenError, match="grid"):
        written(Phantom(slices=1).instances(), model=lambda values: values[:-1])


def test_companions_agree_with_their_study(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("companions")
    phantom = Phantom(slices=2)
    files = phantom.instances()
    results = [written(files, kind) for kind in ("denoise", "difference", "uncertainty")] + [
        resampled(phantom)
    ]
    everything = [*files, *(instance.data for series in results for instance in series.instances)]
    paths = [folder / f"{index}.dcm" for index in range(len(everything))]
    for path, data in zip(paths, everything, strict=True):
        path.write_bytes(data)
    report = dcentvfy(paths)
    assert (report.errors, report.warnings) == ((), ())
