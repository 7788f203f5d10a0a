"""Which source instances may be processed at all. What is not understood is refused, never repaired."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    MRImageStorage,
)

from dicom_templates.header_values import numbers_of, text_of, texts_of, value_of
from dicom_templates.identity import PRODUCT_NAME
from dicom_templates.uids import INSTANCE_CREATOR_UID, device_uid
from pipelines.errors import Refused

SOP_CLASSES = {
    "CT": (CTImageStorage, EnhancedCTImageStorage),
    "MR": (MRImageStorage, EnhancedMRImageStorage),
}

_MULTI_ENERGY_TERMS = frozenset(
    {
        "VMI", "MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY",
        "MAT_MODIFIED", "MAT_VALUE_BASED",
    }
)  # fmt: skip
"""Image Type value 4 of multi-energy CT (PS3.3 C.8.2.1.1.1)."""

_QUANTITATIVE_TERMS = frozenset(
    {
        "ADC", "ADC MAP", "ASL", "CBF", "CBV", "DENSITY MAP", "DIFFUSION MAP", "EADC", "FA", "FAT FRACTION",
        "FIELD MAP", "FIELD_MAP", "I", "IMAGINARY", "IMAGINARY MAP", "MTT", "P", "PERFUSION MAP", "PHASE",
        "PHASE MAP", "PHASE_MAP", "PROTON DENSITY MAP", "QUANT", "R", "R2 MAP", "R2_STAR MAP", "REAL",
        "REAL MAP", "SUSCEPTIBILITY MAP", "T1 MAP", "T1_MAP", "T2 MAP", "T2_MAP", "T2_STAR MAP",
        "T2_STAR_MAP", "TTP", "VELOCITY", "VELOCITY MAP", "VELOCITY_MAP", "VELOCITY MAGNITUDE",
    }
)  # fmt: skip
"""Image Type values from the third on that say the samples are not a magnitude signal: the terms of
PS3.3 C.8.3.1.1.1 and C.8.13.3.1.1, and what the large makers write for phase, real and imaginary parts.
"""

_SIGNAL_UNITS = frozenset({"1", "[arb'U]", "no units", "{signal}"})

_MODEL_DIGEST = re.compile(r"sha256 ([0-9a-f]{64})")


def accept_source(header: Dataset, *, modality: str, quantity: str) -> None:
    """Nothing for a source of the wanted modality and quantity; its result may still be refused later.

    `modality` is "CT" or "MR", `quantity` "hounsfield_units" or "mr_signal". Raises Refused: `modality`,
    `sop-class`, `secondary-capture`, `localizer`, `colour`, `multi-energy`, `not-axial`,
    `not-hounsfield`, `quantitative-map`, `lossy-history`.
    """
    _accept_object(header, modality)
    _accept_image(header)
    if quantity == "hounsfield_units":
        _accept_hounsfield_units(header)
    elif quantity == "mr_signal":
        _accept_mr_signal(header)
    else:
        raise Refused("quantity", f"quantity {quantity!r} is not one this version can read from DICOM")


def is_own_result(header: Dataset) -> bool:
    """True when the instance says in coded attributes that a node like this one made it, or made what it
    was made from. Descriptions do not count: anyone may write them, and de-identification removes them.
    """
    if text_of(header, "InstanceCreatorUID") == INSTANCE_CREATOR_UID:
        return True
    if text_of(header, "ManufacturerModelName") == PRODUCT_NAME:
        return True
    return any(map(_is_our_model, value_of(header, "ContributingEquipmentSequence") or ()))


def own_hops(header: Dataset) -> int:
    """How many results of nodes like this one the instance is, or was made from; 0 for an acquired one."""
    models = sum(map(_is_our_model, value_of(header, "ContributingEquipmentSequence") or ()))
    return max(models, int(is_own_result(header)))


def _is_our_model(item: Dataset) -> bool:
    digest = _MODEL_DIGEST.search(text_of(item, "ContributionDescription"))
    return digest is not None and text_of(item, "DeviceUID") == device_uid(digest[1])


def _accept_object(header: Dataset, modality: str) -> None:
    found = text_of(header, "Modality")
    if found != modality:
        raise Refused("modality", f"Modality {found or 'is empty'}; the pipeline takes {modality}")
    sop_class = UID(text_of(header, "SOPClassUID"))
    if value_of(header, "ConversionType") or "SecondaryCapture" in sop_class.keyword:
        raise Refused("secondary-capture", "a secondary capture has no physical values to work on")
    if sop_class not in SOP_CLASSES.get(modality, ()):
        raise Refused("sop-class", f"{sop_class.name or 'no SOP Class'} is not read as {modality} here")


def _accept_image(header: Dataset) -> None:
    if "LOCALIZER" in texts_of(header, "ImageType"):
        raise Refused("localizer", "Image Type says LOCALIZER: a planning view, not part of a stack")
    photometric = text_of(header, "PhotometricInterpretation")
    monochrome = photometric in ("MONOCHROME1", "MONOCHROME2")
    if numbers_of(header, "SamplesPerPixel") != (1,) or not monochrome:
        raise Refused("colour", f"Photometric Interpretation {photometric} is not one grey sample per pixel")
    history = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")
    complete = all(value_of(header, keyword) for keyword in history)
    if text_of(header, "LossyImageCompression") == "01" and not complete:
        raise Refused(
            "lossy-history",
            "Lossy Image Compression is 01 without its ratio or method, and a result must repeat both",
            remedy="have the archive repair the lossy compression attributes",
        )


def _accept_hounsfield_units(header: Dataset) -> None:
    image_type = texts_of(header, "ImageType")
    multi_energy = text_of(header, "MultienergyCTAcquisition") == "YES"
    if multi_energy or _MULTI_ENERGY_TERMS & set(image_type[3:]):
        raise Refused("multi-energy", "multi-energy CT: sample values are not plain Hounsfield units")
    if len(image_type) < 3 or image_type[2] != "AXIAL":
        third = image_type[2] if len(image_type) > 2 else "absent"
        raise Refused("not-axial", f"Image Type value 3 is {third}; a CT cross-section says AXIAL")
    slope, intercept = numbers_of(header, "RescaleSlope"), numbers_of(header, "RescaleIntercept")
    if not slope or slope[0] == 0 or not intercept:
        raise Refused("not-hounsfield", "Rescale Slope or Intercept is missing or zero")
    unit = text_of(header, "RescaleType")
    if unit not in ("", "HU"):
        raise Refused("not-hounsfield", f"Rescale Type is {unit}; only HU is Hounsfield units")


def _accept_mr_signal(header: Dataset) -> None:
    terms = _QUANTITATIVE_TERMS & set(texts_of(header, "ImageType")[2:])
    if terms:
        raise Refused(
            "quantitative-map",
            f"Image Type says {', '.join(sorted(terms))}: not a magnitude signal",
            remedy="exclude these series by a rule on ImageType",
        )
    for mapping in value_of(header, "RealWorldValueMappingSequence") or ():
        for unit in value_of(mapping, "MeasurementUnitsCodeSequence") or ():
            if text_of(unit, "CodeValue") not in _SIGNAL_UNITS:
                raise Refused("quantitative-map", f"real world values in {text_of(unit, 'CodeValue')}: a map")
