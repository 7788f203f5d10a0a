"""Enhanced CT and MR instances are read frame by frame as the classic slices they are, or refused by name."""

from __future__ import annotations

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
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

from dicom_templates.conformance import SeriesGate, check_instance, dcentvfy, dciodvfy
from dicom_templates.enhanced_source import EnhancedInstance
from dicom_templates.frame_plan import frame_headers
from dicom_templates.series_plan import accept_source, check_slice, plan_series
from dicom_templates.source import SourceSlice
from dicom_templates.to_series import SeriesWriter, WrittenInstance, template_for
from pipelines.errors import Refused
from tests.dicom.enhanced_phantom import EnhancedPhantom
from tests.dicom.phantom_series import CORONAL, OBLIQUE
from tests.dicom.written_series import IDENTITY

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
]


@dataclass(frozen=True)
class Taken:
    """An Enhanced instance through planning and the writer of classic results."""

    sources: list[SourceSlice]
    instances: list[WrittenInstance]

    def result(self, index: int) -> Dataset:
        return dcmread(BytesIO(self.instances[index].data))


def planned(file: bytes) -> list[SourceSlice]:
    """The frames in order along the normal, each checked against the plan. Raises Refused."""
    instance = EnhancedInstance.of(file)
    headers, first = frame_headers(instance, "key"), instance.header(1)
    modality = str(first.get("Modality", "MR"))
    quantity = "hounsfield_units" if modality == "CT" else "mr_signal"
    accept_source(first, modality=modality, quantity=quantity)
    plan = plan_series(headers, first)
    sources = [instance.slice(each.frame_number or 0) for each in plan.slices]
    for index, source in enumerate(sources):
        check_slice(plan, index, source)
    return sources


def taken(file: bytes) -> Taken:
    instance, sources = EnhancedInstance.of(file), planned(file)
    first = instance.header(1)
    plan = plan_series(frame_headers(instance, "key"), first)
    template = template_for("denoise", str(first.Modality))
    writer = SeriesWriter(template=template, identity=IDENTITY, plan=plan, first=first, context_slices=1)
    written = [writer.write(source, index, source.values()) for index, source in enumerate(sources)]
    return Taken(sources, written)


def assert_conforming(series: Taken) -> None:
    gate = SeriesGate("denoise")
    for source, instance in zip(series.sources, series.instances, strict=True):
        report = gate.check(instance, source)
        assert (report.findings, report.errors, report.warnings) == ((), (), ())
    errors = dciodvfy(series.instances[-1].data).errors
    assert errors == ()


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_phantom_itself_breaks_no_rule_of_dciodvfy(modality: str) -> None:
    report = dciodvfy(EnhancedPhantom(modality).instance())
    assert (report.errors, report.warnings) == ((), ())


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: UID(uid).keyword)
@pytest.mark.parametrize("signed", [False, True])
def test_every_transfer_syntax_is_read_frame_by_frame(modality: str, syntax: str, signed: bool) -> None:
    phantom = EnhancedPhantom(modality, frames=3, transfer_syntax=syntax, signed=signed)
    series = taken(phantom.instance())
    for number, source in enumerate(series.sources, start=1):
        assert source.frame_number == number
        assert np.array_equal(source.stored_values, phantom.stored_values(number))
        assert np.array_equal(series.result(number - 1).pixel_array, phantom.stored_values(number))
    assert_conforming(series)


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("orientation", [CORONAL, OBLIQUE], ids=["coronal", "oblique"])
@pytest.mark.parametrize("frames", [1, 5])
def test_orientation_and_number_of_frames_do_not_matter(
    modality: str, orientation: tuple[float, ...], frames: int
) -> None:
    phantom = EnhancedPhantom(
        modality,
        frames=frames,
        orientation=orientation,
        padding_value=0,
        attributes={"NumberOfFrames": frames},
    )
    series = taken(phantom.instance())
    assert len(series.instances) == frames
    assert_conforming(series)


@pytest.mark.parametrize(("modality", "classic"), [("CT", CTImageStorage), ("MR", MRImageStorage)])
def test_a_result_is_a_classic_image_that_names_the_frames_it_was_made_from(
    modality: str, classic: str
) -> None:
    series = taken(EnhancedPhantom(modality).instance())
    result = series.result(1)
    assert result.SOPClassUID == classic
    assert result.InstanceNumber == 2
    assert [item.ReferencedFrameNumber for item in result.SourceImageSequence] == [2, 1, 3]
    assert len({item.ReferencedSOPInstanceUID for item in result.SourceImageSequence}) == 1
    (listed,) = result.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert listed.ReferencedSOPClassUID == result.SourceImageSequence[0].ReferencedSOPClassUID
    assert len({each.sop_instance_uid for each in series.instances}) == len(series.instances)


def test_a_frame_says_in_classic_attributes_how_it_was_acquired() -> None:
    ct = EnhancedInstance.of(EnhancedPhantom("CT").instance()).header(2)
    assert (ct.KVP, ct.ExposureTime, ct.XRayTubeCurrent, ct.Exposure) == (120, 500, 200, 100)
    assert ct.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert ct.AcquisitionDateTime == "20250102101502"
    mr = EnhancedInstance.of(EnhancedPhantom("MR").instance()).header(1)
    assert (mr.EchoTime, mr.RepetitionTime, mr.FlipAngle) == (12.5, 500, 90)
    assert (mr.ScanningSequence, list(mr.SequenceVariant)) == ("SE", ["SK", "SP"])
    assert (mr.ImagedNucleus, mr.SequenceName) == ("1H", "se2d1")
    assert mr.InPlanePhaseEncodingDirection == "COL"


def test_inversion_echo_planar_and_gradient_echo_become_the_classic_terms() -> None:
    phantom = EnhancedPhantom(
        "MR",
        attributes={"EchoPulseSequence": "BOTH", "EchoPlanarPulseSequence": "YES"},
        shared={"MRModifierSequence": {"InversionRecovery": "YES", "InversionTimes": 120.0}},
    )
    frame = EnhancedInstance.of(phantom.instance()).header(1)
    assert list(frame.ScanningSequence) == ["SE", "GR", "IR", "EP"]
    assert frame.InversionTime == 120


def test_rescale_and_window_may_be_the_frames_own() -> None:
    rescale = {"RescaleSlope": "2", "RescaleIntercept": "-1000", "RescaleType": "HU"}
    own = {
        number: {"PixelValueTransformationSequence": rescale | {"RescaleSlope": str(number)}}
        for number in range(1, 5)
    }
    phantom = EnhancedPhantom(of_frame=own, shared={"PixelValueTransformationSequence": None})
    series = taken(phantom.instance())
    assert [source.encoding.slope for source in series.sources] == [1, 2, 3, 4]
    assert_conforming(series)


def test_a_name_in_any_character_set_survives_byte_for_byte() -> None:
    attributes = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}
    file = EnhancedPhantom(attributes=attributes).instance()
    result = taken(file).result(0)
    assert result.get_item("PatientName").value == dcmread(BytesIO(file)).get_item("PatientName").value
    assert str(result.PatientName) == "Yamada^Tarou=山田^太郎"


def test_a_functional_group_cannot_rename_the_patient_or_the_series() -> None:
    claims = {"PatientID": "SOMEBODY ELSE", "SeriesInstanceUID": "1.2.3", "Modality": "MR"}
    frame = EnhancedInstance.of(EnhancedPhantom(shared={"CTPositionSequence": claims}).instance()).header(1)
    assert frame.PatientID == "P-0001"
    assert (frame.SeriesInstanceUID != "1.2.3", frame.Modality) == (True, "CT")


def test_source_and_results_agree_on_patient_study_and_series(tmp_path: Any) -> None:
    file = EnhancedPhantom("MR").instance()
    paths = [tmp_path / "source.dcm", *(tmp_path / f"{index}.dcm" for index in range(4))]
    contents = [file, *(instance.data for instance in taken(file).instances)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    assert dcentvfy(paths).errors == ()


def test_a_result_that_names_another_frame_breaks_a_rule() -> None:
    series = taken(EnhancedPhantom().instance())
    result, source = series.result(1), series.sources[1]
    samples = (result.pixel_array, source.stored_values)
    assert check_instance(result, source.header, "denoise", samples, 2) == []
    result.SourceImageSequence[0].ReferencedFrameNumber = 3
    (finding,) = check_instance(result, source.header, "denoise", samples, 2)
    assert finding.rule == "G09"


def second_frame(group: str, **attributes: Any) -> dict[str, Any]:
    return {"of_frame": {2: {group: attributes}}}


def everywhere(group: str, **attributes: Any) -> dict[str, Any]:
    return {"shared": {group: attributes}}


@pytest.mark.parametrize(
    ("reason", "modality", "changes"),
    [
        ("mixed-frames", "CT", second_frame("FrameContentSequence", StackID="2")),
        ("mixed-frames", "CT", second_frame("FrameContentSequence", TemporalPositionIndex=2)),
        ("mixed-frames", "MR", second_frame("MREchoSequence", EffectiveEchoTime=80.0)),
        ("mixed-frames", "MR", second_frame("MRDiffusionSequence", DiffusionBValue=1000.0)),
        ("mixed-frames", "CT", second_frame("CTXRayDetailsSequence", KVP="80")),
        (
            "duplicate-position",
            "CT",
            second_frame("PlanePositionSequence", ImagePositionPatient=[-20.5, -30.25, 10]),
        ),
        (
            "gap",
            "CT",
            {"of_frame": {4: {"PlanePositionSequence": {"ImagePositionPatient": [-20.5, -30.25, 40]}}}},
        ),
        ("missing-geometry", "CT", {"of_frame": {3: {"PlanePositionSequence": None}}}),
        ("missing-geometry", "CT", {"shared": {"PlaneOrientationSequence": None}}),
        ("missing-geometry", "MR", {"shared": {"PixelMeasuresSequence": None}}),
        (
            "mixed-orientation",
            "CT",
            second_frame("PlaneOrientationSequence", ImageOrientationPatient=[0, 1, 0, 1, 0, 0]),
        ),
        ("quantitative-map", "MR", everywhere("MRImageFrameTypeSequence", ComplexImageComponent="PHASE")),
        (
            "derived-contrast",
            "MR",
            everywhere("MRImageFrameTypeSequence", FrameType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]),
        ),
        (
            "derived-contrast",
            "CT",
            everywhere("CTImageFrameTypeSequence", VolumeBasedCalculationTechnique="MAX_IP"),
        ),
        ("distorted", "CT", everywhere("CTImageFrameTypeSequence", VolumetricProperties="DISTORTED")),
        ("localizer", "CT", everywhere("CTAcquisitionTypeSequence", AcquisitionType="CONSTANT_ANGLE")),
        (
            "localizer",
            "CT",
            everywhere("CTImageFrameTypeSequence", FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]),
        ),
        ("not-hounsfield", "CT", everywhere("PixelValueTransformationSequence", RescaleType="US")),
        ("not-hounsfield", "CT", {"shared": {"PixelValueTransformationSequence": None}}),
        ("multi-energy", "CT", {"attributes": {"MultienergyCTAcquisition": "YES"}}),
        (
            "concatenation",
            "CT",
            {"attributes": {"InConcatenationNumber": 1, "InConcatenationTotalNumber": 2}},
        ),
        ("functional-groups", "CT", {"attributes": {"NumberOfFrames": 9}}),
        ("pixel-data-length", "CT", {"attributes": {"Rows": 400}}),
        ("colour", "CT", {"attributes": {"PhotometricInterpretation": "PALETTE COLOR"}}),
    ],
)
def test_what_is_not_one_stack_of_plain_images_is_refused(
    reason: str, modality: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refused:
        planned(EnhancedPhantom(modality, **changes).instance())
    assert refused.value.reason == reason
