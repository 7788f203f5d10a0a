"""What a classic CT or MR slice says where an Enhanced frame says it in another attribute.

Enhanced objects keep physics in binary numbers and in terms of their own (PS3.3 C.8.13, C.8.15); classic ones
in decimal strings and older terms (C.8.2.1, C.8.3.1). Attributes that both share need nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicom_templates.header_values import numbers_of, text_of, texts_of, value_of

_DECIMALS: Mapping[str, str] = MappingProxyType(
    {
        "EffectiveEchoTime": "EchoTime",
        "InversionTimes": "InversionTime",
        "TransmitterFrequency": "ImagingFrequency",
    }
)
_INTEGERS: Mapping[str, str] = MappingProxyType(
    {
        "ExposureTimeInms": "ExposureTime",
        "XRayTubeCurrentInmA": "XRayTubeCurrent",
        "ExposureInmAs": "Exposure",
        "FrameAcquisitionNumber": "AcquisitionNumber",
    }
)
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "ResonantNucleus": "ImagedNucleus",
        "PulseSequenceName": "SequenceName",
        "FrameAcquisitionDateTime": "AcquisitionDateTime",
    }
)
_ECHO_PULSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}
)
_VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "SegmentedKSpaceTraversal": "SK",
        "MagnetizationTransfer": "MTC",
        "SteadyStatePulseSequence": "SS",
        "Spoiling": "SP",
        "OversamplingPhase": "OSP",
    }
)
"""Enhanced attribute that says more than NONE, and the term of Sequence Variant for it."""
_LONGEST: Mapping[str, int] = MappingProxyType({"SequenceName": 16})


def classic_terms(frame: Dataset) -> dict[str, str]:
    """Keyword and text of the classic attributes that follow from a frame's flattened header.

    Raises Refused (`unreadable-element`).
    """
    terms = {"ImageType": _image_type(frame)}
    for enhanced, classic in _DECIMALS.items():
        terms |= _first(classic, [f"{number:.9g}" for number in numbers_of(frame, enhanced)])
    for enhanced, classic in _INTEGERS.items():
        terms |= _first(classic, [str(round(number)) for number in numbers_of(frame, enhanced)])
    for enhanced, classic in _TEXTS.items():
        terms |= _first(classic, [value[: _LONGEST.get(classic)] for value in texts_of(frame, enhanced)])
    if text_of(frame, "Modality") == "MR":
        terms |= {"ScanningSequence": _scanning_sequence(frame), "SequenceVariant": _variant(frame)}
    if text_of(frame, "FrameLaterality") in ("R", "L"):
        terms["Laterality"] = text_of(frame, "FrameLaterality")
    if text_of(frame, "InPlanePhaseEncodingDirection") == "COLUMN":
        terms["InPlanePhaseEncodingDirection"] = "COL"
    return terms | _contrast_agent(frame)


def _first(keyword: str, values: Sequence[str]) -> dict[str, str]:
    return {keyword: values[0]} if values else {}


def _image_type(frame: Dataset) -> str:
    """Frame Type, but for CT with the only classic terms for value 3, and nothing after it."""
    terms = texts_of(frame, "FrameType") or texts_of(frame, "ImageType")
    if text_of(frame, "Modality") != "CT":
        return "\\".join(terms)
    flavor = "LOCALIZER" if "LOCALIZER" in terms else "AXIAL"
    return "\\".join([*terms[:2], flavor])


def _scanning_sequence(frame: Dataset) -> str:
    terms = list(_ECHO_PULSES.get(text_of(frame, "EchoPulseSequence"), ()))
    if text_of(frame, "InversionRecovery") == "YES":
        terms.append("IR")
    if text_of(frame, "EchoPlanarPulseSequence") == "YES":
        terms.append("EP")
    return "\\".join(terms) or "RM"


def _variant(frame: Dataset) -> str:
    found = (term for keyword, term in _VARIANTS.items() if _says_more_than_none(frame, keyword))
    return "\\".join(found) or "NONE"


def _says_more_than_none(frame: Dataset, keyword: str) -> bool:
    return text_of(frame, keyword) not in ("", "NONE", "SINGLE", "NO")


def _contrast_agent(frame: Dataset) -> dict[str, str]:
    """The agent by name: classic images have no macro of several numbered agents."""
    agents = value_of(frame, "ContrastBolusAgentSequence") or ()
    names = [text_of(agent, "CodeMeaning") for agent in agents]
    return {"ContrastBolusAgent": names[0]} if names and names[0].isascii() else {}
