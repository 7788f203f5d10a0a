"""The frames of an Enhanced instance as the headers that planning needs, if they are one stack.

Enhanced objects put several stacks, echoes, times and weightings into one instance (PS3.3 C.7.6.17). A
pipeline takes one stack; which of several is meant is not guessed.
"""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from dicom_templates.enhanced_source import EnhancedInstance
from dicom_templates.header_values import text_of, texts_of
from dicom_templates.series_plan import SliceHeader
from pipelines.errors import Refused

_ONE_IN_A_STACK = (
    "FrameType",
    "StackID",
    "TemporalPositionIndex",
    "NominalCardiacTriggerDelayTime",
    "EffectiveEchoTime",
    "InversionTimes",
    "DiffusionBValue",
    "ComplexImageComponent",
    "AcquisitionContrast",
    "ConvolutionKernel",
    "KVP",
)
_PLAIN_CONTRASTS = frozenset({"", "NONE", "ADDITION", "MEAN", "RESAMPLED"})
"""Derived pixel contrasts (Image Type value 4, PS3.3 C.8.16.1.4) whose values still are what they were."""
_PLAIN_VOLUMES = frozenset({"", "VOLUME", "SAMPLED"})
_PLAIN_CALCULATIONS = frozenset({"", "NONE", "MPR"})


def frame_headers(instance: EnhancedInstance, key: str) -> list[tuple[str, SliceHeader]]:
    """Key and header of each frame; the key is the instance's with the frame's number.

    Raises Refused: `mixed-frames` when what is one in a stack differs between the frames, and what
    `accept_frame` raises.
    """
    headers = [instance.header(number) for number in range(1, instance.frames + 1)]
    accept_frame(headers[0])
    for keyword in _ONE_IN_A_STACK:
        if len({tuple(texts_of(header, keyword)) for header in headers}) > 1:
            raise Refused(
                "mixed-frames",
                f"{keyword} differs between the frames: several stacks in one instance",
                remedy="have the scanner export one instance for each stack",
            )
    return [_keyed(key, header, number) for number, header in enumerate(headers, start=1)]


def accept_frame(header: Dataset) -> None:
    """Nothing for a frame whose samples are plain intensities. Raises Refused: `quantitative-map`,
    `derived-contrast`, `distorted`, `localizer`.
    """
    component = text_of(header, "ComplexImageComponent")
    if component not in ("", "MAGNITUDE"):
        raise Refused("quantitative-map", f"Complex Image Component is {component}: not a magnitude signal")
    contrast = "".join(texts_of(header, "FrameType")[3:4])
    if contrast not in _PLAIN_CONTRASTS:
        raise Refused("derived-contrast", f"Frame Type value 4 is {contrast}: not the acquired contrast")
    calculation = text_of(header, "VolumeBasedCalculationTechnique")
    if calculation not in _PLAIN_CALCULATIONS:
        raise Refused("derived-contrast", f"the frame is computed from a volume by {calculation}")
    if text_of(header, "VolumetricProperties") not in _PLAIN_VOLUMES:
        raise Refused("distorted", "Volumetric Properties say that the frame is no regular sample of space")
    if text_of(header, "AcquisitionType") == "CONSTANT_ANGLE":
        raise Refused("localizer", "Acquisition Type CONSTANT_ANGLE: a planning view, not part of a stack")


def _keyed(key: str, header: Dataset, number: int) -> tuple[str, SliceHeader]:
    return f"{key}#{number}", replace(SliceHeader.of(header), frame_number=number)
