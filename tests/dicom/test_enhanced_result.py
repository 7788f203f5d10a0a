"""The result of an Enhanced source as one Enhanced instance, and the rules it is held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
)

from dicom_templates.acceptance import is_own_result
from dicom_templates.conformance import (
    ENHANCED_RULES,
    NotConforming,
    check_enhanced,
    dcentvfy,
    dciodvfy,
    require_enhanced,
)
from dicom_templates.enhanced_series import EnhancedWriter
from dicom_templates.enhanced_source import EnhancedInstance, all_samples
from dicom_templates.frame_plan import frame_headers
from dicom_templates.series_plan import plan_series
from dicom_templates.to_series import WrittenInstance, template_for
from tests.dicom.enhanced_phantom import EnhancedPhantom
from tests.dicom.written_series import IDENTITY, Model, unchanged

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGLSLossless,
    JPEG2000Lossless,
]


@dataclass(frozen=True)
class Made:
    """A source instance and its result."""

    source: EnhancedInstance
    instance: WrittenInstance

    @property
    def result(self) -> Dataset:
        return dcmread(BytesIO(self.instance.data))


def made(given: EnhancedPhantom | bytes, model: Model = unchanged) -> Made:
    source = EnhancedInstance.of(given if isinstance(given, bytes) else given.instance())
    first = source.header(1)
    plan = plan_series(frame_headers(source, "key"), first)
    writer = EnhancedWriter(
        template=template_for("denoise to Enhanced", str(first.Modality)),
        identity=IDENTITY,
        plan=plan,
        instance=source,
        context_slices=1,
    )
    for planned in plan.slices:
        assert not writer.is_complete
        taken = source.slice(planned.frame_number or 0)
        writer.take(taken, model(taken.values()))
    assert writer.is_complete
    return Made(source, writer.write())


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: UID(uid).keyword)
def test_samples_are_written_back_frame_by_frame_and_no_rule_is_broken(modality: str, syntax: str) -> None:
    phantom = EnhancedPhantom(modality, frames=3, transfer_syntax=syntax, signed=True, padding_value=-7)
    pair = made(phantom)
    require_enhanced(pair.instance, pair.source)
    assert np.array_equal(pair.result.pixel_array, all_samples(pair.source.file))
    report = dciodvfy(pair.instance.data)
    assert (report.errors, report.unexpected_warnings()) == ((), ())


def test_changed_values_are_stored_in_the_rescale_of_their_frame() -> None:
    own = {number: {"PixelValueTransformationSequence": {"RescaleSlope": str(number)}} for number in (2, 3)}
    pair = made(EnhancedPhantom("MR", of_frame=own), lambda values: values + 6)
    steps = pair.result.pixel_array.astype(int) - all_samples(pair.source.file)
    assert [set(np.unique(frame)) for frame in steps] == [{6}, {3}, {2}, {6}]


def test_frames_keep_the_order_of_the_source_whatever_their_place_in_the_stack() -> None:
    positions = {1: 17.5, 2: 10.0, 3: 15.0, 4: 12.5}
    of_frame = {
        number: {"PlanePositionSequence": {"ImagePositionPatient": [-20.5, -30.25, z]}}
        for number, z in positions.items()
    }
    pair = made(EnhancedPhantom(of_frame=of_frame))
    require_enhanced(pair.instance, pair.source)
    assert np.array_equal(pair.result.pixel_array, all_samples(pair.source.file))
    first = pair.result.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert [item.ReferencedFrameNumber for item in first.SourceImageSequence] == [1, 3]


def test_the_same_work_gives_the_same_bytes_and_is_known_as_ours() -> None:
    once, again = made(EnhancedPhantom()), made(EnhancedPhantom())
    assert once.instance == again.instance
    assert is_own_result(once.result)


def test_what_describes_the_sources_samples_is_not_repeated() -> None:
    mapping = {"LUTLabel": "X", "RealWorldValueSlope": 1.0, "RealWorldValueIntercept": 0.0}
    phantom = EnhancedPhantom(shared={"RealWorldValueMappingSequence": mapping})
    pair = made(phantom)
    assert "RealWorldValueMappingSequence" in pair.source.shared
    assert "RealWorldValueMappingSequence" not in pair.result.SharedFunctionalGroupsSequence[0]
    assert "MRAcquisitionType" not in made(EnhancedPhantom("MR")).result


def test_private_groups_are_dropped_at_any_depth() -> None:
    phantom = EnhancedPhantom()
    dataset = phantom.dataset()
    exposure = dataset.SharedFunctionalGroupsSequence[0].CTExposureSequence[0]
    exposure.private_block(0x2005, "X", create=True).add_new(1, "LO", "secret")
    dataset.PixelData = all_samples(phantom.instance()).tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    pair = made(buffer.getvalue())
    require_enhanced(pair.instance, pair.source)
    assert b"secret" not in pair.instance.data


def test_source_and_result_agree_on_patient_and_study(tmp_path: Any) -> None:
    pair = made(EnhancedPhantom())
    (tmp_path / "source.dcm").write_bytes(pair.source.file)
    (tmp_path / "result.dcm").write_bytes(pair.instance.data)
    assert dcentvfy(sorted(tmp_path.iterdir())).errors == ()


def group(result: Dataset, keyword: str, frame: int | None = None) -> Dataset:
    items = result.PerFrameFunctionalGroupsSequence if frame else result.SharedFunctionalGroupsSequence
    found: Dataset = items[(frame or 1) - 1][keyword].value[0]
    return found


def map_real_world_values(result: Dataset) -> None:
    result.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = [Dataset()]


def private(dataset: Dataset) -> None:
    dataset.private_block(0x2005, "X", create=True).add_new(1, "LO", "x")


DEFECTS: list[tuple[str, Callable[[Dataset], Any]]] = [
    ("E01", lambda ds: setattr(group(ds, "PlanePositionSequence", 2), "ImagePositionPatient", [0, 0, 0])),
    ("E01", lambda ds: setattr(group(ds, "PixelMeasuresSequence"), "PixelSpacing", [1, 1])),
    ("E01", lambda ds: setattr(group(ds, "PixelValueTransformationSequence"), "RescaleSlope", 2)),
    ("E01", lambda ds: ds.PerFrameFunctionalGroupsSequence.pop()),
    ("E02", lambda ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])),
    (
        "E02",
        lambda ds: setattr(
            group(ds, "CTImageFrameTypeSequence"), "FrameType", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        ),
    ),
    ("E03", lambda ds: delattr(ds.PerFrameFunctionalGroupsSequence[1], "DerivationImageSequence")),
    (
        "E03",
        lambda ds: setattr(
            group(ds, "DerivationImageSequence", 2).SourceImageSequence[0], "ReferencedFrameNumber", 3
        ),
    ),
    ("E03", lambda ds: delattr(group(ds, "DerivationImageSequence", 1), "DerivationDescription")),
    (
        "E04",
        lambda ds: setattr(
            ds.SharedFunctionalGroupsSequence[0], "RealWorldValueMappingSequence", [Dataset()]
        ),
    ),
    ("E04", lambda ds: private(group(ds, "FrameContentSequence", 1))),
    ("E05", lambda ds: setattr(ds, "SOPClassUID", CTImageStorage)),
    ("E05", lambda ds: setattr(ds, "NumberOfFrames", 3)),
    ("E05", lambda ds: setattr(ds, "HighBit", 15)),
    ("E06", lambda ds: delattr(ds, "PixelPaddingValue")),
    ("E07", lambda ds: delattr(ds, "ReferencedSeriesSequence")),
    ("G04", lambda ds: setattr(ds, "PatientID", "other")),
    ("G12", lambda ds: ds.ContributingEquipmentSequence.pop()),
    ("G13", lambda ds: delattr(ds, "SyntheticData")),
    ("G27", lambda ds: setattr(ds, "InstanceNumber", 7)),
]


@pytest.mark.parametrize(("rule", "damage"), DEFECTS)
def test_every_seeded_defect_is_named_by_its_rule(rule: str, damage: Callable[[Dataset], Any]) -> None:
    pair = made(EnhancedPhantom(padding_value=0))
    result, source = pair.result, dcmread(BytesIO(pair.source.file))
    samples = (all_samples(pair.instance.data), all_samples(pair.source.file))
    assert check_enhanced(result, source, samples) == []
    damage(result)
    assert rule in {finding.rule for finding in check_enhanced(result, source, samples)}


def test_a_measured_sample_with_the_padding_value_is_named_by_its_rule() -> None:
    pair = made(EnhancedPhantom(padding_value=0))
    theirs = all_samples(pair.source.file)
    ours = theirs.copy()
    ours[1, 20, 20] = 0
    (finding,) = check_enhanced(pair.result, dcmread(BytesIO(pair.source.file)), (ours, theirs))
    assert finding.rule == "E06"


def test_every_rule_on_enhanced_results_has_a_seeded_defect() -> None:
    assert {rule.id for rule in ENHANCED_RULES} <= {rule for rule, _ in DEFECTS}


def test_what_breaks_a_rule_does_not_pass_the_gate() -> None:
    pair = made(EnhancedPhantom())
    damaged = pair.result
    damaged.PatientID = "other"
    buffer = BytesIO()
    damaged.save_as(buffer)
    with pytest.raises(NotConforming):
        require_enhanced(WrittenInstance(damaged.SOPInstanceUID, buffer.getvalue(), 0), pair.source)
