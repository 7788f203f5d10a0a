"""Rules on what an image must have made anew, or left out, because its pixels are not its source's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from dicom_templates.conformance.comparison import Comparison, Rule, values
from dicom_templates.series_values import LARGEST_INTEGER_STRING
from dicom_templates.stored_values import Stored, StoredValueEncoding

_STALE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "RealWorldValueMappingSequence",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
    "EncryptedAttributesSequence",
    "ReferencedPerformedProcedureStepSequence",
    "PerformedProcedureStepID",
    "PerformedProcedureStepDescription",
    "PerformedProtocolCodeSequence",
    "ReferencedImageSequence",
    "PixelDataProviderURL",
    "ExtendedOffsetTable",
    "DataSetTrailingPadding",
)
_FIRST_OVERLAY_GROUP, _LAST_OVERLAY_GROUP = 0x6000, 0x60FF
_CT_BITS = range(12, 17)


def _derived_secondary(c: Comparison) -> Iterator[str]:
    if [str(value) for value in values(c.result, "ImageType")[:2]] != ["DERIVED", "SECONDARY"]:
        yield "Image Type does not begin with DERIVED, SECONDARY"


def _image_type_terms(c: Comparison) -> Iterator[str]:
    terms = [str(value) for value in values(c.result, "ImageType")]
    if len(terms) < 3:
        yield "Image Type has no value 3"
    elif c.is_ct and terms[2:] != ["AXIAL"]:
        yield "Image Type of a CT result is not DERIVED, SECONDARY, AXIAL"
    elif not c.is_ct and terms[2] != "OTHER":
        yield "Image Type value 3 of an MR result is not OTHER"


def _nothing_stale(c: Comparison) -> Iterator[str]:
    for keyword in _STALE:
        if keyword in c.result:
            yield f"{keyword} describes the source"
    if any(_FIRST_OVERLAY_GROUP <= tag.group <= _LAST_OVERLAY_GROUP for tag in c.result_tags):
        yield "an overlay of the source"


def _nothing_private(c: Comparison) -> Iterator[str]:
    if any(tag.is_private for tag in c.result_tags):
        yield "a private element"


def _padding(c: Comparison) -> Iterator[str]:
    signed = c.result.get("PixelRepresentation") == 1
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if keyword in c.result and ("SS" if signed else "US") != c.result[keyword].VR:
            yield f"{keyword} is not in the VR of the pixels"
    if "PixelPaddingRangeLimit" in c.result and "PixelPaddingValue" not in c.result:
        yield "Pixel Padding Range Limit without Pixel Padding Value"


def _padded_area(c: Comparison) -> Iterator[str]:
    theirs, ours = c.source.get("PixelPaddingValue"), c.result.get("PixelPaddingValue")
    if theirs is None:
        return
    if ours is None:
        yield "the source's Pixel Padding Value is lost"
        return
    if not _pixel_length_is_right(c):
        return
    if not np.array_equal(_mask(c.result, c.result_samples), _mask(c.source, c.source_samples)):
        yield "the padded area is not the source's"


def _mask(dataset: Dataset, samples: Stored) -> NDArray[np.bool_]:
    value = int(dataset.PixelPaddingValue)
    limit = int(dataset.get("PixelPaddingRangeLimit", value))
    mask: NDArray[np.bool_] = (samples >= min(value, limit)) & (samples <= max(value, limit))
    return mask


def _pixel_length_is_right(c: Comparison) -> bool:
    if c.result.get("BitsAllocated") != 16 or (c.decoded is None and len(c.result.get("PixelData", b"")) % 2):
        return False
    expected = int(c.result.get("Rows", 0)) * int(c.result.get("Columns", 0))
    return 0 < expected == c.result_samples.size


def _pixel_module(c: Comparison) -> Iterator[str]:
    result = c.result
    if result.get("SamplesPerPixel") != 1 or result.get("BitsAllocated") != 16:
        yield "not one 16-bit sample a pixel"
    if result.get("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        yield "Photometric Interpretation is not monochrome"
    if result.get("HighBit") != result.get("BitsStored", 0) - 1:
        yield "High Bit is not Bits Stored - 1"
    if c.is_ct and result.get("BitsStored") not in _CT_BITS:
        yield "Bits Stored of a CT is not 12 to 16"
    if not _pixel_length_is_right(c):
        yield "Pixel Data is not as long as rows x columns x 2"
        return
    encoding = StoredValueEncoding(result.BitsStored, signed=result.PixelRepresentation == 1)
    samples = c.result_samples
    outside = samples.min() < encoding.lowest or samples.max() > encoding.highest
    if outside and "PixelPaddingValue" not in c.source:
        yield "samples outside Bits Stored"


def _series_texts(c: Comparison) -> Iterator[str]:
    number, description = c.result.get("SeriesNumber"), str(c.result.get("SeriesDescription") or "")
    in_range = number is not None and 0 < int(number) <= LARGEST_INTEGER_STRING
    if not in_range or number == c.source.get("SeriesNumber"):
        yield "Series Number is missing, the source's, or out of range"
    if not description or len(description) > 64:
        yield "Series Description is missing or longer than 64 characters"
    synthetic = c.synthetic_required or c.result.get("SyntheticData") == "YES"
    if not description.startswith("SYNTHETIC " if synthetic else "AI "):
        yield "Series Description does not begin with " + ("SYNTHETIC" if synthetic else "AI")
    if c.kind in ("translate", "mr2ct") and "ProtocolName" in c.result:
        yield "Protocol Name of the source on another contrast"


def _window(c: Comparison) -> Iterator[str]:
    centers, widths = values(c.result, "WindowCenter"), values(c.result, "WindowWidth")
    if not centers or len(centers) != len(widths):
        yield "Window Center and Window Width are not both there, value for value"
    elif min(float(width) for width in widths) < 1 and "VOILUTFunction" not in c.result:
        yield "Window Width below 1"


def _comment(c: Comparison) -> Iterator[str]:
    comment = str(c.result.get("ImageComments") or "").upper()
    if not (comment.startswith("SYNTHETIC") and "NOT AN ACQUIRED" in comment):
        yield "Image Comments do not say SYNTHETIC, NOT AN ACQUIRED IMAGE"


def _sop_class(c: Comparison) -> Iterator[str]:
    expected = {"CT": CTImageStorage, "MR": MRImageStorage}.get(str(c.result.get("Modality")))
    if c.result.get("SOPClassUID") != expected:
        yield "Modality and SOP Class do not belong together"
    if c.kind == "mr2ct" and not c.is_ct:
        yield "a synthetic CT that is not CT"
    if c.kind == "denoise" and c.differs("Modality"):
        yield "denoising changed the modality"


IMAGE_RULES = (
    Rule("G05", _derived_secondary),
    Rule("G06", _image_type_terms),
    Rule("G18", _nothing_stale),
    Rule("G19", _nothing_private),
    Rule("G20", _padding),
    Rule("G20b", _padded_area, lambda c: c.kind == "denoise"),
    Rule("G21", _pixel_module),
    Rule("G22", _series_texts),
    Rule("G23", _window),
    Rule("G29", _comment, lambda c: c.kind in ("translate", "mr2ct")),
    Rule("G32", _sop_class),
)
