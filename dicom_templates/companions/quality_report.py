"""The quality gate's verdict and figures as a TID 1500 report (PS3.16) in Comprehensive 3D SR."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal
from zlib import crc32

from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_templates.companions.run import CompanionRun, finished
from dicom_templates.identity import PRODUCT_PUBLISHER
from dicom_templates.series_values import METRIC_SCHEME
from dicom_templates.to_series import WrittenInstance
from dicom_templates.uids import device_uid

Level = Literal["PASS", "WARN", "HOLD"]

_VERDICTS: Mapping[str, Code] = {
    "PASS": Code("111237", "DCM", "Usable - Meets the quality control standard"),
    "WARN": Code("111236", "DCM", "Usable - Does not meet the quality control standard"),
    "HOLD": Code("111235", "DCM", "Unusable - Quality renders image unusable"),
}
_LONGEST_CODE, _LONGEST_MEANING = 16, 64


def quality_report(
    run: CompanionRun, level: Level, reasons: Sequence[str], figures: Mapping[str, float]
) -> WrittenInstance:
    """The verdict, why, and every figure behind it, about `run.results` as made from `run.sources`.

    COMPLETE, PRELIMINARY and UNVERIFIED: a machine verifies nothing. The observer is the model, with the
    Device UID, maker, model and version that Contributing Equipment names (IHE AIR 6.5.3.1).
    """
    naming = run.naming("quality_report")
    report = sr.MeasurementReport(
        observation_context=_observer(run),
        procedure_reported=_procedure(run),
        imaging_measurements=[_measurement_group(run, naming.series_instance_uid, level, reasons, figures)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    built = sr.Comprehensive3DSR(
        evidence=[*run.results, *run.sources],
        content=report,
        series_instance_uid=naming.series_instance_uid,
        series_number=naming.series_number,
        sop_instance_uid=naming.sop_instance_uid,
        instance_number=1,
        manufacturer=PRODUCT_PUBLISHER,
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    return finished(built, run, naming)


def _observer(run: CompanionRun) -> sr.ObservationContext:
    identity = run.identity
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=device_uid(identity.model_sha256),
        name=identity.pipeline_name,
        manufacturer_name=identity.publisher,
        model_name=identity.pipeline_name,
    )
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _procedure(run: CompanionRun) -> Code:
    if run.sources[0].Modality == "CT":
        return Code("25045-6", "LN", "CT unspecified body region")
    return Code("25056-3", "LN", "MRI unspecified body region")


def _measurement_group(
    run: CompanionRun, series_uid: str, level: Level, reasons: Sequence[str], figures: Mapping[str, float]
) -> sr.MeasurementsAndQualitativeEvaluations:
    identity = run.identity
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=series_uid, identifier=f"{identity.pipeline_name} result"
        ),
        finding_type=codes.DCM.ImageQuality,
        algorithm_id=sr.AlgorithmIdentification(
            name=identity.pipeline_name,
            version=identity.model_version,
            family=codes.DCM.ArtificialIntelligence,
            parameters=_parameters(run, reasons),
        ),
        measurements=[
            sr.Measurement(name=metric_code(name), value=float(value), unit=_unit(name))
            for name, value in sorted(figures.items())
        ],
        qualitative_evaluations=[sr.QualitativeEvaluation(codes.DCM.QualityAssessment, _VERDICTS[level])],
        source_images=[
            sr.SourceImageForMeasurementGroup(str(image.SOPClassUID), str(image.SOPInstanceUID))
            for image in (*run.results, *run.sources)
        ],
    )


def _parameters(run: CompanionRun, reasons: Sequence[str]) -> list[str]:
    identity = run.identity
    run_facts = {
        "onnx_sha256": identity.model_sha256,
        "config_sha256": identity.config_sha256,
        "seed": identity.seed,
        "runtime": identity.runtime,
        "execution_provider": identity.execution_provider,
        "rule": identity.rule,
        "job": identity.job_id,
    }
    return [f"{name}={value}" for name, value in run_facts.items()] + [f"reason: {each}" for each in reasons]


def metric_code(name: str) -> Code:
    """The code of a gate figure in our declared scheme; DICOM has none for SSIM, PSNR and their like."""
    meaning = re.sub(r"[^ -~]", "?", name.replace("_", " "))[:_LONGEST_MEANING]
    return Code(_short(name), METRIC_SCHEME.designator, meaning)


def _short(name: str) -> str:
    """A code value of at most 16 characters; long names are told apart by a checksum of the whole."""
    plain = re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-")
    if len(plain) <= _LONGEST_CODE:
        return plain
    return f"{plain[: _LONGEST_CODE - 5]}-{crc32(name.encode()) & 0xFFFF:04X}"


def _unit(name: str) -> Code:
    """By the unit in a figure's name; other figures are ratios, correlations and counts."""
    if name.endswith("_hu"):
        return Code("[hnsf'U]", "UCUM", "Hounsfield unit")
    if name.endswith("_mm"):
        return Code("mm", "UCUM", "millimeter")
    return Code("1", "UCUM", "no units")
