"""What the writer promises: the same bytes again, the source's bytes where it copies, marks everywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_templates.conformance import check_instance, dcentvfy, dciodvfy
from dicom_templates.series_plan import is_own_result
from dicom_templates.stored_values import ResultNotFinite
from dicom_templates.template import TEMPLATE_NAMES, load_template, template_for
from pipelines.errors import ConfigurationError, OrthogenError, Refused
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import IDENTITY, TRANSLATION, written

GEOMETRY = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SliceLocation",
)


def test_the_same_job_written_twice_gives_the_same_bytes() -> None:
    files = Phantom().instances()
    once, again = written(files), written(files)
    assert [instance.data for instance in once.instances] == [instance.data for instance in again.instances]


def test_a_series_written_from_the_middle_gives_the_bytes_of_the_whole_run() -> None:
    files = Phantom("MR", padding_value=0).instances()
    forward, backward = written(files), written(list(reversed(files)))
    assert [i.data for i in forward.instances] == [i.data for i in backward.instances]


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "0" * 64},
        {"config_sha256": "0" * 64},
        {"seed": 8},
        {"pipeline_version": "1.2.1"},
        {"execution_provider": "CUDAExecutionProvider"},
        {"node_version": "0.2.0"},
    ],
)
def test_whatever_can_change_pixels_changes_every_uid(change: dict[str, object]) -> None:
    files = Phantom(slices=2).instances()
    one, other = written(files), written(files, identity=replace(IDENTITY, **change))  # type: ignore[arg-type]
    uids = [{instance.sop_instance_uid for instance in series.instances} for series in (one, other)]
    assert uids[0].isdisjoint(uids[1])
    assert one.result(0).SeriesInstanceUID != other.result(0).SeriesInstanceUID


def test_one_more_source_slice_makes_another_series() -> None:
    fewer, more = written(Phantom(slices=3).instances()), written(Phantom(slices=4).instances())
    assert fewer.result(0).SeriesInstanceUID != more.result(0).SeriesInstanceUID
    assert fewer.result(0).SOPInstanceUID != more.result(0).SOPInstanceUID


def test_geometry_is_repeated_byte_for_byte() -> None:
    odd = (("ImagePositionPatient", ["-20.50", "-030.250000", "1e1"]), ("PixelSpacing", ["0.750000", ".75"]))
    series = written(Phantom(slices=1, attributes=odd).instances())
    for keyword in GEOMETRY:
        ours, theirs = series.result(0).get_item(keyword), series.source(0).get_item(keyword)
        assert ours is not None
        assert theirs is not None
        assert ours.value == theirs.value


def test_nothing_that_no_template_names_gets_through() -> None:
    source = (
        ("MedicalRecordLocator", "X-1"),
        ("StationName", "S"),
        ("RequestedProcedureDescription", "Secret"),
    )
    file = dcmread(BytesIO(Phantom(slices=1, attributes=source).instances()[0]))
    file.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "private")
    buffer = BytesIO()
    file.save_as(buffer)
    result = written([buffer.getvalue()]).result(0)
    named = {attribute.tag for attribute in load_template("derived_ct").attributes()}
    assert {int(tag) for tag in result.keys()} - named == {0x7FE00010}  # noqa: SIM118
    assert b"Secret" not in written([buffer.getvalue()]).instances[0].data


def test_padded_samples_come_back_and_no_measured_one_turns_into_padding() -> None:
    phantom = Phantom(slices=1, signed=True, bits_stored=16, padding_value=-2000)
    series = written(phantom.instances(), model=lambda values: np.full_like(values, -3024.0))
    stored, source = series.result(0).pixel_array, phantom.stored_values(0)
    assert np.array_equal(stored == -2000, source == -2000)
    assert (stored[source != -2000] == -1999).all()
    assert series.instances[0].clipped_voxels == 0


def test_values_outside_the_stored_range_are_clipped_and_counted() -> None:
    def too_bright(values: NDArray[np.float32]) -> NDArray[np.float32]:
        values[0, :5] = 1e6
        values[1, :3] = -1e6
        return values

    series = written(Phantom(slices=1).instances(), model=too_bright)
    assert series.instances[0].clipped_voxels == 8
    assert series.result(0).pixel_array.max() == 4095
    assert series.result(0).pixel_array.min() == 0


def test_a_result_that_is_not_finite_is_never_written() -> None:
    with pytest.raises(ResultNotFinite):
        written(Phantom(slices=1).instances(), model=lambda values: values * np.float32("nan"))


def test_a_result_of_another_shape_is_never_written() -> None:
    with pytest.raises(OrthogenError, match="on a grid"):
        written(Phantom(slices=1).instances(), model=lambda values: values[:-1])


def test_the_receptive_field_is_referenced_the_slice_itself_first() -> None:
    series = written(Phantom(slices=5).instances(), context_slices=2)
    uids = [planned.sop_instance_uid for planned in series.plan.slices]
    for index, expected in ((0, [0, 1, 2]), (2, [2, 0, 1, 3, 4]), (4, [4, 2, 3])):
        items = series.result(index).SourceImageSequence
        assert [item.ReferencedSOPInstanceUID for item in items] == [uids[place] for place in expected]


def test_a_generative_pipeline_and_a_synthetic_source_both_make_synthetic_data() -> None:
    generative = written(Phantom(slices=1).instances(), identity=replace(IDENTITY, generative=True))
    inherited = written(Phantom(slices=1, attributes=(("SyntheticData", "YES"),)).instances())
    for series in (generative, inherited):
        assert series.result(0).SyntheticData == "YES"
        assert series.result(0).SeriesDescription.startswith("SYNTHETIC ")
        assert check_instance(series.result(0), series.source(0), "denoise") == []
    assert written(Phantom(slices=1).instances()).result(0).SyntheticData == "NO"


def test_times_of_the_result_are_in_the_time_zone_of_the_study() -> None:
    created = datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=0)))
    series = written(
        Phantom(slices=1, attributes=(("TimezoneOffsetFromUTC", "+0530"),)).instances(),
        identity=replace(IDENTITY, created=created),
    )
    assert (series.result(0).ContentDate, series.result(0).ContentTime) == ("20261123", "050000.000000")
    moments = [item.get("ContributionDateTime") for item in series.result(0).ContributingEquipmentSequence]
    assert moments == [None, "20261123050000.000000+0530"]


def test_a_lossy_source_stays_lossy_with_its_history() -> None:
    lossy = (
        ("LossyImageCompression", "01"),
        ("LossyImageCompressionRatio", "11.5"),
        ("LossyImageCompressionMethod", "ISO_10918_1"),
    )
    series = written(Phantom(slices=1, attributes=lossy).instances())
    result = series.result(0)
    assert (result.LossyImageCompression, result.LossyImageCompressionRatio) == ("01", 11.5)
    assert check_instance(result, series.source(0), "denoise") == []


def test_our_results_are_recognised_by_coded_evidence_and_sources_are_not() -> None:
    series = written(Phantom(slices=1).instances())
    assert not is_own_result(series.source(0))
    result = series.result(0)
    assert is_own_result(result)
    del result.InstanceCreatorUID
    del result.ManufacturerModelName
    assert is_own_result(result)
    result.ContributingEquipmentSequence[1].DeviceUID = "2.25.1"
    assert not is_own_result(result)


def test_a_de_identified_copy_still_reads_as_ai() -> None:
    """What the basic profile of PS3.15 removes or remaps, by its table E.1-1."""
    result = written(Phantom("MR", slices=1).instances(), "translate").result(0)
    for keyword in ("DerivationDescription", "SeriesDescription", "ImageComments", "InstanceCreatorUID"):
        del result[keyword]
    for item in result.ContributingEquipmentSequence:
        for keyword in ("ContributionDescription", "ContributionDateTime"):
            if keyword in item:
                del item[keyword]
        item.DeviceUID = "2.25.99"
    assert is_own_result(result)
    assert result.ImageType[3] == "T2W_SYNTHETIC"
    assert result.SyntheticData == "YES"
    assert result.DerivationCodeSequence[0].CodeValue == "123110"
    model = result.ContributingEquipmentSequence[1]
    assert (model.ManufacturerModelName, model.SoftwareVersions) == ("mr-t1-to-t2", "1.2.0+9372c470eead")


def test_existing_contributing_equipment_is_carried_over_unchanged() -> None:
    item, purpose = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109101", "DCM"
    purpose.CodeMeaning = "Acquisition Equipment"
    item.Manufacturer, item.PurposeOfReferenceCodeSequence = "First Scanner", [purpose]
    series = written(Phantom(slices=1, attributes=(("ContributingEquipmentSequence", [item]),)).instances())
    makers = [each.Manufacturer for each in series.result(0).ContributingEquipmentSequence]
    assert makers == ["First Scanner", "Orthogen project"]
    assert check_instance(series.result(0), series.source(0), "denoise") == []


def test_source_and_results_agree_on_patient_study_and_series(tmp_path: Path) -> None:
    for kind, modality in (("denoise", "CT"), ("denoise", "MR"), ("translate", "MR"), ("mr2ct", "MR")):
        series = written(Phantom(modality, slices=3).instances(), kind)
        paths = []
        for index, data in enumerate([*series.source_files, *(i.data for i in series.instances)]):
            paths.append(tmp_path / f"{kind}-{modality}-{index}.dcm")
            paths[-1].write_bytes(data)
        report = dcentvfy(paths)
        assert (report.errors, report.warnings) == ((), ())


def test_texts_that_would_need_another_character_set_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="publisher"):
        replace(IDENTITY, publisher="Möller")
    with pytest.raises(ConfigurationError, match="pipeline_version"):
        replace(IDENTITY, pipeline_version="1" * 49)
    with pytest.raises(ConfigurationError, match="node_serial"):
        replace(IDENTITY, node_serial=" ")
    with pytest.raises(ConfigurationError, match="created"):
        replace(IDENTITY, created=datetime(2026, 1, 1))
    with pytest.raises(ConfigurationError, match="model_sha256"):
        replace(TRANSLATION, model_sha256="abc")


def test_mr_whose_rescale_leaves_too_few_whole_signal_values_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        written(Phantom("MR", slices=1, slope=0.01).instances())
    assert refused.value.reason == "signal-too-fine"


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_attribute_of_a_template_has_a_reason_and_a_section(name: str) -> None:
    template = load_template(name)
    assert all(module.section.startswith("PS3.3 ") for module in template.modules)
    assert all(len(attribute.reason) > 4 for attribute in template.all_attributes())
    with pytest.raises(ConfigurationError):
        load_template("derived_us")


def test_a_restoration_is_written_like_a_denoised_image_and_called_what_it_is() -> None:
    assert template_for("restore", "CT") is template_for("denoise", "CT")
    restored = written(Phantom(slices=1).instances(), identity=replace(IDENTITY, task="restore"))
    assert restored.result(0).SeriesDescription.startswith("AI restore (")
    with pytest.raises(ConfigurationError, match="no template"):
        template_for("segment", "CT")


def test_results_are_explicit_vr_little_endian_part_10_files() -> None:
    data = written(Phantom(slices=1).instances()).instances[0].data
    assert dcmread(BytesIO(data)).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dciodvfy(data).errors == ()


SHARED = Path(__file__).resolve().parents[3] / "shared"
DEMO = Path(__file__).resolve().parents[2] / "demo"


def real_series() -> list[tuple[str, str, Path]]:
    folders = {
        "CT": [DEMO / "ct_lidc_0314", SHARED / "data/demo_ct_lidc_0314"],
        "MR": [DEMO / "mr_brain_pd", SHARED / "data/demo_mr_brain_pd"],
    }
    kinds = {"CT": ["denoise"], "MR": ["denoise", "translate", "mr2ct"]}
    found = [(m, folder) for m, places in folders.items() for folder in places if folder.is_dir()]
    return [(kind, modality, folder) for modality, folder in found for kind in kinds[modality]]


@pytest.mark.parametrize(("kind", "modality", "folder"), real_series(), ids=lambda value: str(value)[-16:])
def test_real_series_pass_both_walls(kind: str, modality: str, folder: Path) -> None:
    files = [path.read_bytes() for path in sorted(folder.rglob("*.dcm"))[:8]]
    series = written(files, kind)
    for index in range(len(files)):
        result, source = series.result(index), series.source(index)
        assert check_instance(result, source, kind) == []  # type: ignore[arg-type]
    if kind == "denoise":
        assert np.array_equal(series.result(3).pixel_array, series.source(3).pixel_array)
    report, of_source = dciodvfy(series.instances[1].data), dciodvfy(series.source_files[1])
    assert report.own_errors(of_source) == ()
    assert report.unexpected_warnings(of_source) == ()
