"""Rules on the attributes of CT and MR: what a stored value means, and which physics may be claimed."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_templates.conformance.comparison import Comparison, Rule, has_value, values

MR_PHYSICS = (
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "EchoTrainLength",
    "FlipAngle",
    "NumberOfAverages",
    "EchoNumbers",
    "PixelBandwidth",
    "SAR",
    "dBdt",
    "B1rms",
    "SequenceName",
    "PercentSampling",
    "AcquisitionMatrix",
    "InPlanePhaseEncodingDirection",
    "NumberOfPhaseEncodingSteps",
    "DiffusionBValue",
    "TriggerTime",
)
MR_ACQUISITION = (
    "MagneticFieldStrength",
    "ScanningSequence",
    "SequenceVariant",
    "ImagedNucleus",
    "ImagingFrequency",
    "MRAcquisitionType",
    "ReceiveCoilName",
)
XRAY_PHYSICS = (
    "KVP",
    "XRayTubeCurrent",
    "Exposure",
    "ExposureTime",
    "ExposureInuAs",
    "ConvolutionKernel",
    "FilterType",
    "GeneratorPower",
    "FocalSpots",
    "DistanceSourceToDetector",
    "SpiralPitchFactor",
)
DOSE = ("CTDIvol", "CTDIPhantomTypeCodeSequence", "IrradiationEventUID", "ReferencedRTPlanSequence")
_SCANNING_SEQUENCES = frozenset(("SE", "IR", "GR", "EP", "RM"))


def _hounsfield_units(c: Comparison) -> Iterator[str]:
    if c.result.get("RescaleType") != "HU":
        yield "Rescale Type is not HU"
    if not c.result.get("RescaleSlope") or not has_value(c.result, "RescaleIntercept"):
        yield "Rescale Slope is zero or missing, or Rescale Intercept is"


def _source_rescale(c: Comparison) -> Iterator[str]:
    if c.differs("RescaleSlope") or c.differs("RescaleIntercept"):
        yield "the rescale is not the source's, whose stored values the result repeats"


def _type_2_of_ct(c: Comparison) -> Iterator[str]:
    for keyword in ("KVP", "AcquisitionNumber"):
        if keyword not in c.result:
            yield f"{keyword} (type 2) is absent"


def _acquisition_kept(c: Comparison) -> Iterator[str]:
    keywords = (*XRAY_PHYSICS, "CTDIvol") if c.is_ct else (*MR_PHYSICS, "MagneticFieldStrength")
    for keyword in keywords:
        if c.differs(keyword):
            yield f"{keyword} differs from the source"


def _identity_rescale(c: Comparison) -> Iterator[str]:
    if any(has_value(c.result, keyword) for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType")):
        yield "a rescale on stored MR values, which are the signal themselves"


def _sequence_terms(c: Comparison) -> Iterator[str]:
    sequences = [str(value) for value in values(c.result, "ScanningSequence")]
    if not sequences or not _SCANNING_SEQUENCES.issuperset(sequences):
        yield "Scanning Sequence is missing or not one of the enumerated values"
    if not has_value(c.result, "SequenceVariant"):
        yield "Sequence Variant is missing"
    if c.kind == "denoise" and (c.differs("ScanningSequence") or c.differs("SequenceVariant")):
        yield "the pulse sequence differs from the source"


def _type_2_of_mr(c: Comparison) -> Iterator[str]:
    for keyword in ("ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength", "RepetitionTime"):
        if keyword not in c.result:
            yield f"{keyword} (type 2) is absent"


def _no_pulse_sequence(c: Comparison) -> Iterator[str]:
    if values(c.result, "ScanningSequence") != ["RM"] or values(c.result, "SequenceVariant") != ["NONE"]:
        yield "Scanning Sequence and Variant are not RM and NONE"


def _no_mr_physics(c: Comparison) -> Iterator[str]:
    for keyword in MR_PHYSICS:
        if has_value(c.result, keyword):
            yield f"{keyword} carries an acquired value on a contrast that was not acquired"


def _synthetic_term(c: Comparison) -> Iterator[str]:
    terms = [str(value) for value in values(c.result, "ImageType")]
    if len(terms) != 4 or not terms[3].endswith("_SYNTHETIC") or len(terms[3]) > 16:
        yield "Image Type value 4 does not name the contrast as _SYNTHETIC"


def _no_physics_at_all(c: Comparison) -> Iterator[str]:
    for keyword in (*MR_PHYSICS, *MR_ACQUISITION, *XRAY_PHYSICS):
        if has_value(c.result, keyword):
            yield f"{keyword} carries a value on a synthetic CT"


def _synthetic_ct_range(c: Comparison) -> Iterator[str]:
    slope, intercept = c.result.get("RescaleSlope"), c.result.get("RescaleIntercept")
    if slope != 1 or intercept not in (-1024, -8192):
        yield "a synthetic CT is stored with slope 1 and intercept -1024 or -8192"


def _no_dose(c: Comparison) -> Iterator[str]:
    for keyword in DOSE:
        if keyword in c.result:
            yield f"{keyword} on an image made without X-rays"


def _not_for_dose_calculation(c: Comparison) -> Iterator[str]:
    if "NOT FOR DOSE CALCULATION" not in str(c.result.get("ImageComments") or "").upper():
        yield "Image Comments of a synthetic CT do not rule out dose calculation"


def _mr(c: Comparison) -> bool:
    return not c.is_ct


MODALITY_RULES = (
    Rule("C01", _hounsfield_units, lambda c: c.is_ct),
    Rule("C01b", _source_rescale, lambda c: c.is_ct and c.kind == "denoise"),
    Rule("C02", _type_2_of_ct, lambda c: c.is_ct),
    Rule("C03", _acquisition_kept, lambda c: c.kind == "denoise"),
    Rule("M01", _identity_rescale, _mr),
    Rule("M02", _sequence_terms, _mr),
    Rule("M03", _type_2_of_mr, _mr),
    Rule("T01", _no_pulse_sequence, lambda c: c.kind == "translate"),
    Rule("T02", _no_mr_physics, lambda c: c.kind == "translate"),
    Rule("T04", _synthetic_term, lambda c: c.kind == "translate"),
    Rule("X01", _no_physics_at_all, lambda c: c.kind == "mr2ct"),
    Rule("X02", _synthetic_ct_range, lambda c: c.kind == "mr2ct"),
    Rule("X04", _no_dose, lambda c: c.kind == "mr2ct"),
    Rule("X05", _not_for_dose_calculation, lambda c: c.kind == "mr2ct"),
)
