"""The full matrix of input kinds, each through reading, planning, writing and both walls of validation."""

from __future__ import annotations

import itertools
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from dicom_templates.conformance import check_instance, dciodvfy
from tests.dicom.phantom_series import (
    AXIAL,
    COMPRESSED,
    CORONAL,
    NATIVE,
    OBLIQUE,
    SAGITTAL,
    Phantom,
)
from tests.dicom.written_series import Written, written

SIGNS_AND_BITS = [(False, 12), (False, 16), (True, 12), (True, 16)]


def assert_conforming(series: Written, kind: str) -> None:
    for index in range(len(series.instances)):
        assert check_instance(series.result(index), series.source(index), kind) == []  # type: ignore[arg-type]
    report = dciodvfy(series.instances[0].data)
    of_source = dciodvfy(series.source_files[0])
    assert report.own_errors(of_source) == ()
    assert report.unexpected_warnings(of_source) == ()


def assert_samples_repeated(series: Written) -> None:
    for instance, data in zip(series.instances, series.source_files, strict=True):
        repeated = dcmread(BytesIO(instance.data)).pixel_array
        assert np.array_equal(repeated, dcmread(BytesIO(data)).pixel_array)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("syntax", [*NATIVE, *COMPRESSED], ids=lambda uid: UID(uid).keyword)
def test_every_transfer_syntax_is_read_and_written_back_sample_for_sample(modality: str, syntax: str) -> None:
    signs = SIGNS_AND_BITS if syntax in NATIVE else [(False, 12), (True, 16)]
    for signed, bits in signs:
        phantom = Phantom(modality, slices=2, transfer_syntax=syntax, signed=signed, bits_stored=bits)
        series = written(phantom.instances())
        assert np.array_equal(series.sources[0].stored_values, phantom.stored_values(0))
        assert_samples_repeated(series)
        assert_conforming(series, "denoise")


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize(
    "orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE], ids=["axial", "coronal", "sagittal", "oblique"]
)
@pytest.mark.parametrize(("tilt_mm", "slices"), [(0.0, 5), (0.6, 5), (0.0, 1)])
def test_every_orientation_tilt_and_a_single_slice_keep_their_geometry(
    modality: str, orientation: tuple[float, ...], tilt_mm: float, slices: int
) -> None:
    phantom = Phantom(modality, slices=slices, orientation=orientation, tilt_mm=tilt_mm)
    series = written(phantom.instances())
    assert series.plan.grid.slices == slices
    assert_conforming(series, "denoise")


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("padding", [None, (5, None), (2, 9)])
@pytest.mark.parametrize("slope", [1.0, 0.5, 2.0])
def test_ct_with_any_rescale_and_padding_keeps_both(
    signed: bool, padding: tuple[int, int | None] | None, slope: float
) -> None:
    value, limit = padding or (None, None)
    phantom = Phantom(signed=signed, slope=slope, intercept=-1000, padding_value=value, padding_limit=limit)
    series = written(phantom.instances())
    assert_samples_repeated(series)
    assert_conforming(series, "denoise")


@pytest.mark.parametrize(
    ("slope", "intercept", "photometric", "padding"),
    list(itertools.product([1.0, 2.5, 0.5], [0.0, -10.0], ["MONOCHROME1", "MONOCHROME2"], [None, 0, 3])),
)
def test_mr_is_stored_as_the_signal_itself(
    slope: float, intercept: float, photometric: str, padding: int | None
) -> None:
    phantom = Phantom(
        "MR", slices=2, slope=slope, intercept=intercept, photometric=photometric, padding_value=padding
    )
    series = written(phantom.instances())
    assert_conforming(series, "denoise")
    for index, source in enumerate(series.sources):
        signal, stored = source.values(), series.result(index).pixel_array
        padded = source.padding()
        measured = np.ones(signal.shape, bool) if padded is None else ~padded
        step = 1.0 if padding is not None else 0.5
        assert np.abs(np.clip(signal, stored.min(), None) - stored)[measured].max() <= step


@pytest.mark.parametrize("kind", ["translate", "mr2ct"])
@pytest.mark.parametrize("syntax", [*NATIVE, COMPRESSED[1]], ids=lambda uid: UID(uid).keyword)
@pytest.mark.parametrize("padding", [None, 0])
def test_translations_conform_from_any_source(kind: str, syntax: str, padding: int | None) -> None:
    phantom = Phantom("MR", slices=2, transfer_syntax=syntax, padding_value=padding)
    series = written(phantom.instances(), kind)
    assert_conforming(series, kind)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 144", "Жданов^Иван"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 127", "قباني^لنزار"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
@pytest.mark.parametrize("syntax", [*NATIVE, COMPRESSED[0]], ids=lambda uid: UID(uid).keyword)
def test_names_in_any_character_set_survive_byte_for_byte(
    charset: str | list[str], name: str, syntax: str
) -> None:
    attributes = (("SpecificCharacterSet", charset), ("PatientName", name), ("StudyDescription", name[:10]))
    phantom = Phantom(slices=1, transfer_syntax=syntax, attributes=attributes)
    series = written(phantom.instances())
    encoded = series.source(0).get_item("PatientName").value
    assert series.result(0).get_item("PatientName").value == encoded
    assert str(series.result(0).PatientName) == name
    assert_conforming(series, "denoise")


@pytest.mark.parametrize("missing", ["BodyPartExamined", "WindowCenter", "PatientName", "AcquisitionNumber"])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_sources_that_lack_what_a_result_must_have_still_give_conforming_results(
    modality: str, missing: str
) -> None:
    phantom = Phantom(modality, slices=1, attributes=((missing, None), ("WindowWidth", None)))
    assert_conforming(written(phantom.instances()), "denoise")
