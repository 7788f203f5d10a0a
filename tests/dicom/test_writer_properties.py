"""Properties that hold for every input, not only for those somebody thought of."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from dicom_templates.explicit_vr import element
from dicom_templates.series_plan import SliceHeader, plan_series
from dicom_templates.source import read_header, read_slice
from dicom_templates.stored_values import StoredValueEncoding
from dicom_templates.uids import result_instance_uid, result_series_uid
from dicom_templates.windows import decimal_string
from pipelines.errors import Refused
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import IDENTITY, written

quick = settings(max_examples=60, deadline=None)

encodings = st.builds(
    StoredValueEncoding,
    bits_stored=st.integers(8, 16),
    signed=st.booleans(),
    slope=st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.34, 2.0, 10.0]),
    intercept=st.sampled_from([-8192.0, -1024.0, -1000.0, 0.0, 17.5, 1024.0]),
)
seeds = st.integers(0, 2**32 - 1)
uids = st.from_regex(r"1(\.[1-9][0-9]{0,7}){3,7}", fullmatch=True)
vectors = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda vector: np.linalg.norm(vector) > 0.2)


@given(encodings, seeds)
@quick
def test_quantising_the_values_of_stored_samples_gives_the_samples_back(
    encoding: StoredValueEncoding, seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(encoding.lowest, encoding.highest + 1, (7, 9))
    stored = samples.astype(encoding.dtype)
    again, clipped = encoding.quantise(encoding.values(stored))
    assert clipped == 0
    assert np.array_equal(again, stored)


@given(encodings, seeds)
@quick
def test_a_quantised_value_is_within_half_a_step_or_at_the_end_of_the_range(
    encoding: StoredValueEncoding, seed: int
) -> None:
    low = encoding.lowest * encoding.slope + encoding.intercept
    high = encoding.highest * encoding.slope + encoding.intercept
    margin = (high - low) / 10
    values = np.random.default_rng(seed).uniform(low - margin, high + margin, (8, 8)).astype(np.float32)
    stored, clipped = encoding.quantise(values)
    outside = (values < low - encoding.slope / 2) | (values > high + encoding.slope / 2)
    error = np.abs(encoding.values(stored) - values)
    rounding = 4 * np.spacing(np.float32(max(abs(low), abs(high))))
    assert error[~outside].max(initial=0) <= encoding.slope / 2 + rounding
    assert abs(clipped - int(outside.sum())) <= 1
    assert stored.min() >= encoding.lowest
    assert stored.max() <= encoding.highest


@given(st.integers(0, 4095), st.integers(0, 40), seeds)
@quick
def test_padding_in_the_result_is_exactly_the_padding_of_the_source(
    value: int, width: int, seed: int
) -> None:
    limit = min(value + width, 4095)
    encoding = StoredValueEncoding(12, False, padding_range=(value, limit))
    stored = np.random.default_rng(seed).integers(0, 4096, (9, 9)).astype(np.uint16)
    padded = np.zeros((9, 9), bool)
    padded[:2] = True
    stored[padded] = value
    encoding.keep_clear_of_padding(stored, padded)
    mask = encoding.padding(stored)
    assert mask is not None
    assert np.array_equal(mask, padded)


@given(uids, uids, st.lists(uids, min_size=1, max_size=5, unique=True), st.integers(0, 10**6))
@quick
def test_uids_are_valid_repeat_for_the_same_and_differ_for_other_work(
    series: str, other: str, instances: list[str], seed: int
) -> None:
    identity = replace(IDENTITY, seed=seed)
    uid = result_series_uid(identity, series, instances, "image")
    assert uid == result_series_uid(identity, series, reversed(instances), "image")
    made = [result_instance_uid(uid, instance) for instance in instances]
    assert len({uid, *made}) == len(instances) + 1
    assert all(re.fullmatch(r"2\.25\.(0|[1-9][0-9]{0,38})", each) for each in (uid, *made))
    assert uid != result_series_uid(replace(identity, seed=seed + 1), series, instances, "image")
    assert uid != result_series_uid(identity, series, instances, "difference")
    if other != series:
        assert uid != result_series_uid(identity, other, instances, "image")


@given(vectors, vectors, st.floats(0.3, 12), st.integers(1, 6), st.integers(1, 2**31))
@settings(max_examples=40, deadline=None)
def test_any_regular_stack_survives_the_way_from_header_to_plan_and_result(
    row: tuple[float, ...], towards: tuple[float, ...], spacing: float, slices: int, seed: int
) -> None:
    first = np.array(row) / np.linalg.norm(row)
    second = np.array(towards) - np.dot(towards, first) * first
    if np.linalg.norm(second) < 0.1:
        return
    orientation = (*first, *(second / np.linalg.norm(second)))
    phantom = Phantom(slices=slices, orientation=orientation, spacing_mm=round(spacing, 2), rows=8, columns=8)
    files = phantom.instances()
    shuffled = np.random.default_rng(seed).permutation(slices)
    headers = [(str(place), SliceHeader.of(read_header(files[place]))) for place in shuffled]
    plan = plan_series(headers, read_header(files[0]))
    assert [int(planned.key) for planned in plan.slices] == list(range(slices))
    result = written(files).result(slices - 1)
    assert np.allclose(result.ImagePositionPatient, plan.grid.positions_lps_mm[-1], atol=1e-4)


@given(st.sampled_from(["ISO_IR 192", "GB18030"]), st.text(st.characters(codec="gb18030"), max_size=30))
@quick
def test_any_name_survives_byte_for_byte(charset: str, name: str) -> None:
    name = re.sub(r"[\\\x00-\x1f\x7f=^]", "", name).strip() or "A"
    attributes = (("SpecificCharacterSet", charset), ("PatientName", name))
    phantom = Phantom(slices=1, rows=8, columns=8, attributes=attributes)
    data = phantom.instance(0)
    encoded = dcmread(BytesIO(data)).get_item("PatientName").value
    series = written([data])
    assert series.result(0).get_item("PatientName").value == encoded


@given(st.floats(-1e9, 1e9))
@quick
def test_a_decimal_string_fits_and_says_the_number(value: float) -> None:
    written_value = decimal_string(value)
    assert len(written_value) <= 16
    assert np.isclose(float(written_value), value, rtol=1e-8, atol=0)


@given(st.binary(max_size=60), st.sampled_from(["LO", "PN", "UI", "OB", "UT", "SQ", "US"]))
@quick
def test_every_element_has_even_length_and_says_it(value: bytes, vr: str) -> None:
    encoded = element(0x00100010, vr, value)
    long_header = vr in ("OB", "UT", "SQ")
    header = 12 if long_header else 8
    declared = int.from_bytes(encoded[header - (4 if long_header else 2) : header], "little")
    assert declared == len(encoded) - header
    assert declared % 2 == 0
    assert encoded[header:].startswith(value)


@given(st.integers(0, 3000), st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_read_or_refused_and_never_crashes(place: int, byte: int) -> None:
    data = bytearray(Phantom(rows=8, columns=8).instance(0))
    data[place % len(data)] = byte
    try:
        source = read_slice(bytes(data))
    except Refused:
        return
    assert source.stored_values.ndim == 2
