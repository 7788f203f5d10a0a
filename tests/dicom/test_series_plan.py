"""What is a stack of slices, and by which name anything else is refused."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_templates.series_plan import SeriesPlan, SliceHeader, accept_source, check_slice, plan_series
from dicom_templates.source import read_header, read_slice
from pipelines.errors import Refused
from tests.dicom.phantom_series import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Phantom


def headers_of(files: list[bytes]) -> tuple[list[tuple[str, SliceHeader]], Dataset]:
    read = [read_header(data) for data in files]
    return [(f"key-{index}", SliceHeader.of(header)) for index, header in enumerate(read)], read[0]


def plan_of(files: list[bytes]) -> SeriesPlan:
    return plan_series(*headers_of(files))


def reason_of(files: list[bytes]) -> str:
    with pytest.raises(Refused) as refused:
        plan_of(files)
    return refused.value.reason


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_slices_in_any_order_are_planned_along_the_normal(orientation: tuple[float, ...]) -> None:
    files = Phantom(slices=7, orientation=orientation).instances()
    plan = plan_of([files[place] for place in (3, 0, 6, 2, 5, 1, 4)])
    assert [planned.instance_number for planned in plan.slices] == [1, 2, 3, 4, 5, 6, 7]
    assert [planned.key for planned in plan.slices] == [f"key-{place}" for place in (1, 5, 3, 0, 6, 4, 2)]
    assert plan.grid.slice_spacing_mm == pytest.approx(2.5, abs=1e-3)
    assert plan.grid.slice_thickness_mm == 2.5


def test_the_main_tags_of_orthanc_say_the_same_as_a_header() -> None:
    header = read_header(Phantom(slices=1).instances()[0])
    main_tags = {
        "SOPInstanceUID": str(header.SOPInstanceUID),
        "ImagePositionPatient": "-20.5\\-30.25\\10",
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "InstanceNumber": "1 ",
    }
    assert SliceHeader.of_main_tags(main_tags) == SliceHeader.of(header)


def test_a_tilted_gantry_is_a_stack() -> None:
    plan = plan_of(Phantom(slices=6, tilt_mm=0.9).instances())
    assert len(plan.slices) == 6


def test_one_slice_is_a_stack() -> None:
    plan = plan_of(Phantom(slices=1).instances())
    assert plan.grid.slice_spacing_mm is None


def test_a_series_with_a_missing_slice_is_refused() -> None:
    files = Phantom(slices=8).instances()
    assert reason_of(files[:4] + files[5:]) == "gap"


def test_a_position_that_comes_twice_is_refused() -> None:
    files = Phantom(slices=4).instances()
    twin = Phantom(slices=4, attributes=(("SOPInstanceUID", "1.2.3.4"),)).instances()[2]
    assert reason_of([*files, twin]) == "duplicate-position"


def test_the_same_instance_twice_is_refused() -> None:
    files = Phantom(slices=4).instances()
    assert reason_of([*files, files[1]]) in ("duplicate-instance", "duplicate-position")


def test_a_localizer_among_the_slices_is_refused() -> None:
    files = Phantom(slices=4).instances()
    localizer = Phantom(slices=6, orientation=SAGITTAL).instances()[5]
    assert reason_of([*files, localizer]) == "mixed-orientation"


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_missing_geometry_is_refused(keyword: str) -> None:
    assert reason_of(Phantom(slices=2, attributes=((keyword, None),)).instances()) == "missing-geometry"


def test_an_orientation_that_is_not_perpendicular_is_refused() -> None:
    skewed = (1.0, 0.0, 0.0, 0.1, 1.0, 0.0)
    assert reason_of(Phantom(slices=2, orientation=skewed).instances()) == "invalid-orientation"


def test_slices_that_slide_sideways_are_refused() -> None:
    headers, first = headers_of(Phantom(slices=5).instances())
    key, moved = headers[2]
    headers[2] = (key, replace(moved, position_lps_mm=(-18.5, -30.25, 15.0)))
    with pytest.raises(Refused) as refused:
        plan_series(headers, first)
    assert refused.value.reason == "not-a-stack"


def test_uneven_spacing_is_refused() -> None:
    headers, first = headers_of(Phantom(slices=5).instances())
    key, moved = headers[2]
    headers[2] = (key, replace(moved, position_lps_mm=(-20.5, -30.25, 15.5)))
    with pytest.raises(Refused) as refused:
        plan_series(headers, first)
    assert refused.value.reason == "uneven-spacing"


def test_an_empty_series_and_a_missing_uid_are_refused() -> None:
    headers, first = headers_of(Phantom(slices=2).instances())
    with pytest.raises(Refused) as refused:
        plan_series([], first)
    assert refused.value.reason == "empty"
    without_uid = [(key, replace(header, sop_instance_uid="")) for key, header in headers]
    with pytest.raises(Refused) as refused:
        plan_series(without_uid, first)
    assert refused.value.reason == "missing-uid"


OTHER_SLICES: list[tuple[str, dict[str, Any]]] = [
    ("mixed-grid", {"rows": 64}),
    ("mixed-grid", {"attributes": (("PixelSpacing", ["0.8", "0.75"]),)}),
    (
        "mixed-orientation",
        {"orientation": (1.0, 0.0, 0.0, 0.0, 0.99, 0.14)},
    ),
    ("moved-slice", {"attributes": (("ImagePositionPatient", ["-20.5", "-30.25", "11"]),)}),
    ("changed-instance", {"attributes": (("SOPInstanceUID", "1.2.3"),)}),
    ("mixed-series", {"attributes": (("SeriesInstanceUID", "1.2.3"),)}),
    ("mixed-series", {"photometric": "MONOCHROME1"}),
    ("mixed-series", {"attributes": (("RescaleType", "US"),)}),
    ("no-rescale", {"attributes": (("RescaleSlope", "0"),)}),
    ("no-rescale", {"attributes": (("RescaleSlope", None),)}),
]


@pytest.mark.parametrize(("reason", "change"), OTHER_SLICES)
def test_a_slice_that_is_not_as_planned_is_refused_when_it_is_read(
    reason: str, change: dict[str, Any]
) -> None:
    phantom = Phantom(slices=3)
    plan = plan_of(phantom.instances())
    check_slice(plan, 0, read_slice(phantom.instance(0)))
    with pytest.raises(Refused) as refused:
        check_slice(plan, 0, read_slice(replace(phantom, **change).instance(0)))
    assert refused.value.reason == reason


def image_type(*terms: str) -> dict[str, Any]:
    return {"attributes": (("ImageType", list(terms)),)}


UNWANTED: list[tuple[str, str, dict[str, Any]]] = [
    ("modality", "CT", {"modality": "MR"}),
    ("sop-class", "CT", {"attributes": (("SOPClassUID", "1.2.840.10008.5.1.4.1.1.128"),)}),
    ("secondary-capture", "CT", {"attributes": (("SOPClassUID", SecondaryCaptureImageStorage),)}),
    ("secondary-capture", "CT", {"attributes": (("ConversionType", "WSD"),)}),
    ("localizer", "CT", image_type("ORIGINAL", "PRIMARY", "LOCALIZER")),
    ("localizer", "MR", image_type("ORIGINAL", "PRIMARY", "LOCALIZER")),
    ("colour", "CT", {"attributes": (("PhotometricInterpretation", "PALETTE COLOR"),)}),
    ("multi-energy", "CT", {"attributes": (("MultienergyCTAcquisition", "YES"),)}),
    ("multi-energy", "CT", image_type("DERIVED", "PRIMARY", "AXIAL", "VMI")),
    ("not-axial", "CT", image_type("DERIVED", "SECONDARY", "MPR")),
    ("not-hounsfield", "CT", {"attributes": (("RescaleType", "US"),)}),
    ("not-hounsfield", "CT", {"attributes": (("RescaleIntercept", None),)}),
    ("lossy-history", "CT", {"attributes": (("LossyImageCompression", "01"),)}),
    ("quantitative-map", "MR", image_type("DERIVED", "PRIMARY", "ADC")),
    ("quantitative-map", "MR", image_type("ORIGINAL", "PRIMARY", "P")),
]


@pytest.mark.parametrize(("reason", "modality", "change"), UNWANTED)
def test_what_a_pipeline_cannot_take_is_refused_by_name(
    reason: str, modality: str, change: dict[str, Any]
) -> None:
    header = read_header(Phantom(**({"modality": modality} | change)).instance(0))
    quantity = "hounsfield_units" if modality == "CT" else "mr_signal"
    with pytest.raises(Refused) as refused:
        accept_source(header, modality=modality, quantity=quantity)
    assert refused.value.reason == reason


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_an_ordinary_source_is_accepted(modality: str) -> None:
    header = read_header(Phantom(modality).instance(0))
    accept_source(header, modality=modality, quantity="hounsfield_units" if modality == "CT" else "mr_signal")


def damaged(keyword: str, value: Any) -> bytes:
    file = dcmread(BytesIO(Phantom().instance(0)))
    setattr(file, keyword, value)
    buffer = BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("not-dicom", b"no DICOM at all"),
        ("not-dicom", b""),
        ("no-pixel-data", None),
        ("bits", damaged("BitsAllocated", 8)),
        ("bits", damaged("HighBit", 15)),
        ("colour", damaged("SamplesPerPixel", 3)),
        ("multi-frame", damaged("NumberOfFrames", "2")),
        ("pixel-data-length", damaged("Rows", 49)),
    ],
)
def test_an_instance_that_cannot_be_read_is_refused_by_name(reason: str, data: bytes | None) -> None:
    if data is None:
        whole = Phantom().instance(0)
        data = whole[: whole.rindex(b"\xe0\x7f\x10\x00")]
    with pytest.raises(Refused) as refused:
        read_slice(data)
    assert refused.value.reason == reason


def test_truncated_pixels_are_refused_and_their_header_is_still_read() -> None:
    truncated = Phantom().instance(0)[:-100]
    with pytest.raises(Refused):
        read_slice(truncated)
    assert read_header(truncated).Rows == 48


def test_reading_values_by_keyword_leaves_the_bytes_to_be_copied_alone() -> None:
    source = read_slice(Phantom(attributes=(("PatientName", "A^B "), ("WindowCenter", "040"))).instance(0))
    before = dict(source.elements)
    assert str(source.header.PatientName).strip() == "A^B"
    assert source.header.WindowCenter == 40
    assert dict(source.elements) == before


def test_overlay_bits_above_bits_stored_are_no_part_of_a_sample() -> None:
    phantom = Phantom(bits_stored=12)
    data = bytearray(phantom.instance(0))
    data[-1] |= 0xF0
    assert np.array_equal(read_slice(bytes(data)).stored_values, phantom.stored_values(0))
