"""Seeded defects: a good result is damaged in one way, and the checker must name the rule.

Every rule of the checker has to be killed by at least one of them, so that none can rot unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_templates.conformance import RULES, check_instance, dcentvfy
from tests.dicom.phantom_series import Phantom
from tests.dicom.written_series import Written, resampled, written

Damage = Callable[[Dataset, Dataset], None]


@cache
def series_of(base: str) -> Written:
    """ "ct", "mr", "padded", "inherited", "lossy", "translate", "mr2ct"."""
    rich = (("RecognizableVisualFeatures", "YES"), ("AcquisitionDateTime", "20250102101500"))
    phantoms = {
        "ct": Phantom(attributes=rich),
        "mr": Phantom("MR"),
        "padded": Phantom(signed=True, bits_stored=16, padding_value=-2000, padding_limit=-1990),
        "inherited": Phantom(attributes=(("SyntheticData", "YES"), ("BurnedInAnnotation", "YES"))),
        "lossy": Phantom(attributes=_LOSSY),
        "translate": Phantom("MR"),
        "mr2ct": Phantom("MR"),
    }
    if base == "resample":
        return resampled(Phantom())
    return written(phantoms[base].instances(), kind_of(base))


_LOSSY = (
    ("LossyImageCompression", "01"),
    ("LossyImageCompressionRatio", "11.5"),
    ("LossyImageCompressionMethod", "ISO_10918_1"),
)


def kind_of(base: str) -> Any:
    return base if base in ("translate", "mr2ct", "resample") else "denoise"


def put(keyword: str, value: Any) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        setattr(result, keyword, value)

    return damage


def in_meta(keyword: str) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        setattr(result.file_meta, keyword, "1.2")

    return damage


def drop(keyword: str) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        delattr(result, keyword)

    return damage


def copied(keyword: str) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        setattr(result, keyword, source[keyword].value)

    return damage


def in_item(sequence: str, index: int, keyword: str, value: Any) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        item = result[sequence].value[index]
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)

    return damage


def without_item(sequence: str, index: int) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        del result[sequence].value[index]

    return damage


def wrong_vr(result: Dataset, source: Dataset) -> None:
    del result.PixelPaddingValue
    result.add_new("PixelPaddingValue", "US", 63536)


def overlay(result: Dataset, source: Dataset) -> None:
    result.add_new(0x60003000, "OW", b"\0\0")


def smallest_pixel_value(result: Dataset, source: Dataset) -> None:
    result.add_new("SmallestImagePixelValue", "US", 0)


def private(result: Dataset, source: Dataset) -> None:
    result.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "x")


def sample(value: int) -> Damage:
    def damage(result: Dataset, source: Dataset) -> None:
        stored = np.frombuffer(result.PixelData, "<i2").copy()
        stored[stored.size // 2] = value
        result.PixelData = stored.tobytes()

    return damage


def other_source_first(result: Dataset, source: Dataset) -> None:
    result.SourceImageSequence = list(reversed(result.SourceImageSequence))


def naive_copy(result: Dataset, source: Dataset) -> None:
    kept = ("SOPInstanceUID", "SeriesInstanceUID", "PixelData")
    for keyword in [element.keyword for element in result if element.keyword not in kept]:
        delattr(result, keyword)
    for element in source:
        if element.keyword not in kept:
            result[element.tag] = element


EQUIPMENT = "ContributingEquipmentSequence"
PURPOSE = "PurposeOfReferenceCodeSequence"

DEFECTS: list[tuple[str, str, str, Damage]] = [
    ("G01", "ct", "instance UID reused", copied("SOPInstanceUID")),
    ("G01", "ct", "instance UID malformed", put("SOPInstanceUID", "2." + "5" * 63)),
    ("G02", "ct", "series UID reused", copied("SeriesInstanceUID")),
    ("G02", "ct", "other study", put("StudyInstanceUID", "1.2.3")),
    ("G03", "ct", "file meta of another instance", in_meta("MediaStorageSOPInstanceUID")),
    ("G03", "ct", "file meta of another class", in_meta("MediaStorageSOPClassUID")),
    ("G03", "ct", "foreign implementation", in_meta("ImplementationClassUID")),
    ("G04", "ct", "patient name changed", put("PatientName", "Phantom^Disk")),
    ("G04", "ct", "weight lost", drop("PatientWeight")),
    ("G04", "ct", "accession number invented", put("AccessionNumber", "A-78")),
    ("G05", "ct", "ORIGINAL kept", put("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"])),
    ("G05", "ct", "SYNTHETIC as value 2", put("ImageType", ["DERIVED", "SYNTHETIC", "AXIAL"])),
    ("G06", "ct", "value 4 on CT", put("ImageType", ["DERIVED", "SECONDARY", "AXIAL", "AI"])),
    ("G06", "ct", "two values only", put("ImageType", ["DERIVED", "SECONDARY"])),
    ("G06", "mr", "value 3 of an acquisition", put("ImageType", ["DERIVED", "SECONDARY", "M"])),
    ("G07", "ct", "other frame of reference", put("FrameOfReferenceUID", "1.2.3")),
    ("G07", "ct", "position moved", put("ImagePositionPatient", ["-20.5", "-30.25", "99"])),
    ("G07", "mr", "slice location lost", drop("SliceLocation")),
    ("G07b", "resample", "other frame of reference", put("FrameOfReferenceUID", "1.2.3")),
    ("G07b", "resample", "resampling not coded", without_item("DerivationCodeSequence", 1)),
    ("G09", "resample", "same grid", in_item("SourceImageSequence", 0, "SpatialLocationsPreserved", "YES")),
    ("G08", "ct", "no derivation description", drop("DerivationDescription")),
    ("G08", "ct", "no derivation code", drop("DerivationCodeSequence")),
    ("G08", "ct", "another derivation code", in_item("DerivationCodeSequence", 0, "CodeValue", "113085")),
    ("G09", "ct", "no source images", drop("SourceImageSequence")),
    ("G09", "ct", "neighbour listed first", other_source_first),
    ("G09", "ct", "no purpose", in_item("SourceImageSequence", 0, PURPOSE, None)),
    ("G09", "ct", "grid not preserved", in_item("SourceImageSequence", 0, "SpatialLocationsPreserved", "NO")),
    ("G09b", "ct", "reference not listed by series", drop("ReferencedSeriesSequence")),
    ("G09b", "ct", "a stale reference", without_item("SourceImageSequence", 1)),
    ("G10", "ct", "scanner left as equipment", copied("ManufacturerModelName")),
    ("G10", "ct", "no software versions", drop("SoftwareVersions")),
    ("G10", "ct", "scanner's station", put("StationName", "SCANNER1")),
    ("G11", "ct", "no scanner", without_item(EQUIPMENT, 0)),
    ("G11", "ct", "node named as scanner", in_item(EQUIPMENT, 0, "Manufacturer", "Orthogen project")),
    ("G11", "ct", "operator named", in_item(EQUIPMENT, 0, "OperatorsName", "Somebody")),
    ("G12", "ct", "no model", without_item(EQUIPMENT, 1)),
    ("G12", "ct", "no device UID", in_item(EQUIPMENT, 1, "DeviceUID", None)),
    ("G12", "ct", "device UID of other weights", in_item(EQUIPMENT, 1, "DeviceUID", "2.25.1")),
    ("G12", "ct", "no digests", in_item(EQUIPMENT, 1, "ContributionDescription", "AI denoise")),
    ("G12", "ct", "version without digest", in_item(EQUIPMENT, 1, "SoftwareVersions", "1.2.0")),
    ("G13", "ct", "no synthetic data", drop("SyntheticData")),
    ("G13", "ct", "TRUE for YES", put("SyntheticData", "TRUE")),
    ("G13", "translate", "NO on a translation", put("SyntheticData", "NO")),
    ("G13", "inherited", "NO though the source is synthetic", put("SyntheticData", "NO")),
    ("G14", "translate", "no synthesizing equipment", without_item(EQUIPMENT, 2)),
    ("G14", "translate", "synthesizing equipment without a UID", in_item(EQUIPMENT, 2, "DeviceUID", None)),
    ("G15", "ct", "no qualification", drop("ContentQualification")),
    ("G15", "ct", "an unknown qualification", put("ContentQualification", "CLINICAL")),
    ("G16", "lossy", "lossy forgotten", put("LossyImageCompression", "00")),
    ("G16", "lossy", "lossy without ratio", drop("LossyImageCompressionRatio")),
    ("G16", "ct", "no statement on lossiness", drop("LossyImageCompression")),
    ("G17", "ct", "no burned in annotation", drop("BurnedInAnnotation")),
    ("G17", "inherited", "burned in YES lost", put("BurnedInAnnotation", "NO")),
    ("G17", "ct", "recognizable features lost", drop("RecognizableVisualFeatures")),
    ("G18", "ct", "stale smallest pixel value", smallest_pixel_value),
    ("G18", "ct", "stale icon", put("IconImageSequence", [Dataset()])),
    ("G18", "ct", "overlay", overlay),
    ("G19", "ct", "private element", private),
    ("G20", "padded", "padding in the wrong VR", wrong_vr),
    ("G20", "padded", "range limit alone", drop("PixelPaddingValue")),
    ("G20b", "padded", "padding value lost", drop("PixelPaddingValue")),
    ("G20b", "padded", "a measured sample turned into padding", sample(-2000)),
    ("G21", "ct", "pixels too short", lambda r, s: put("PixelData", r.PixelData[:-2])(r, s)),
    ("G21", "ct", "high bit", put("HighBit", 15)),
    ("G21", "ct", "sample above bits stored", sample(4096)),
    ("G21", "ct", "8 bits stored", lambda r, s: (put("BitsStored", 8)(r, s), put("HighBit", 7)(r, s))[0]),
    ("G22", "ct", "series number reused", copied("SeriesNumber")),
    ("G22", "ct", "description of the source", copied("SeriesDescription")),
    ("G22", "translate", "translation called AI", put("SeriesDescription", "AI T2w from T1w")),
    ("G22", "translate", "protocol kept", copied("ProtocolName")),
    ("G23", "ct", "centre without width", drop("WindowWidth")),
    ("G23", "ct", "width of zero", put("WindowWidth", "0")),
    ("G24", "ct", "content date of the source", copied("ContentDate")),
    ("G24", "ct", "acquisition time lost", drop("AcquisitionTime")),
    ("G25", "ct", "no creator", drop("InstanceCreatorUID")),
    ("G26", "ct", "body part lost", drop("BodyPartExamined")),
    ("G27", "ct", "instance number changed", put("InstanceNumber", "77")),
    ("G28", "ct", "contrast agent lost", drop("ContrastBolusAgent")),
    ("G28", "translate", "contrast agent claimed", copied("ContrastBolusAgent")),
    ("G29", "translate", "no comment", drop("ImageComments")),
    ("G30", "ct", "another character set", put("SpecificCharacterSet", "ISO_IR 192")),
    ("G31", "ct", "original attributes", put("OriginalAttributesSequence", [Dataset()])),
    ("G31", "ct", "status claimed", put("SOPInstanceStatus", "AO")),
    ("G32", "ct", "CT in an MR object", put("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4")),
    ("G32", "mr2ct", "synthetic CT as MR", put("Modality", "MR")),
    ("C01", "ct", "rescale type US", put("RescaleType", "US")),
    ("C01", "ct", "slope of zero", put("RescaleSlope", "0")),
    ("C01b", "ct", "another intercept", put("RescaleIntercept", "-1000")),
    ("C02", "ct", "KVP absent", drop("KVP")),
    ("C03", "ct", "kernel lost", drop("ConvolutionKernel")),
    ("C03", "mr", "echo time changed", put("EchoTime", "13")),
    ("M01", "mr", "rescale on MR", put("RescaleSlope", "2")),
    ("M02", "mr", "sequence term AI", put("ScanningSequence", "AI")),
    ("M02", "mr", "sequence variant lost", drop("SequenceVariant")),
    ("M03", "mr", "scan options absent", drop("ScanOptions")),
    ("T01", "translate", "pulse sequence kept", copied("ScanningSequence")),
    ("T02", "translate", "echo time kept", copied("EchoTime")),
    ("T02", "translate", "flip angle kept", copied("FlipAngle")),
    ("T04", "translate", "contrast not named", put("ImageType", ["DERIVED", "SECONDARY", "OTHER"])),
    ("X01", "mr2ct", "field strength kept", copied("MagneticFieldStrength")),
    ("X01", "mr2ct", "tube voltage invented", put("KVP", "120")),
    ("X02", "mr2ct", "another intercept", put("RescaleIntercept", "0")),
    ("X04", "mr2ct", "dose claimed", put("CTDIvol", 7.5)),
    ("X05", "mr2ct", "no word on dose calculation", put("ImageComments", "SYNTHETIC. NOT AN ACQUIRED CT.")),
    ("G08", "ct", "naive copy of the source", naive_copy),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "base", "defect", "damage"), DEFECTS, ids=[f"{rule}-{defect}" for rule, _, defect, _ in DEFECTS]
)
def test_every_seeded_defect_is_named_by_its_rule(rule: str, base: str, defect: str, damage: Damage) -> None:
    series = series_of(base)
    result, source = series.result(1), series.source(1)
    assert check_instance(result, source, kind_of(base)) == []
    damage(result, source)
    assert rule in {finding.rule for finding in check_instance(result, source, kind_of(base))}


def test_every_rule_is_killed_by_a_seeded_defect() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, *_ in DEFECTS}


def test_no_finding_repeats_what_a_patient_attribute_says() -> None:
    result, source = series_of("ct").result(1), series_of("ct").source(1)
    result.PatientName, result.PatientID, result.PatientBirthDate = "Else^Body", "P-9", "19800101"
    said = " ".join(finding.message for finding in check_instance(result, source, "denoise"))
    assert "PatientName" in said
    for value in ("Else", "Phantom^", "P-9", "P-0001", "1980", "1970"):
        assert value not in said


def test_dcentvfy_sees_a_result_that_strays_from_its_study(tmp_path: Path) -> None:
    series = series_of("ct")
    stray = series.result(1)
    stray.StudyID = "8"
    stray.save_as(tmp_path / "stray.dcm")
    (tmp_path / "source.dcm").write_bytes(series.source_files[1])
    report = dcentvfy([tmp_path / "stray.dcm", tmp_path / "source.dcm"])
    assert report.errors or report.warnings
