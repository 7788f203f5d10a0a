"""Which contrast an MR series was acquired with, read off its acquisition: never off a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.dataset import Dataset

from dicom_templates.header_values import numbers_of, text_of, texts_of, value_of
from pipelines.contrast import Contrast

_ACQUIRED: Mapping[str, Contrast] = MappingProxyType(
    {"T1": "T1", "T2": "T2", "PROTON_DENSITY": "PD", "FLUID_ATTENUATED": "FLAIR"}
)
"""Acquisition Contrast (0008,9209), PS3.3 C.8.13.3.1.4: what Enhanced images say."""


@dataclass(frozen=True)
class _Acquisition:
    sequence: frozenset[str]
    """Scanning Sequence (0018,0020): SE, IR, GR, EP, RM."""
    repetition_ms: float
    echo_ms: float
    inversion_ms: float | None


def contrast_of(header: Dataset) -> Contrast | None:
    """None where the header leaves doubt: echo-planar, steady-state and angiographic sequences, or values
    between the ranges below. An injected agent makes T1 another contrast, T1CE.

    The ranges are those of textbooks (Bernstein, King and Zhou 2004, Handbook of MRI Pulse Sequences,
    chapters 14 and 16; McRobbie et al. 2017, MRI from Picture to Proton, chapter 3) with room between them.
    Raises Refused (`unreadable-element`).
    """
    stated = text_of(header, "AcquisitionContrast")
    found = _ACQUIRED.get(stated) if stated else _by_sequence(header)
    agent = value_of(header, "ContrastBolusAgent") or value_of(header, "ContrastBolusAgentSequence")
    return "T1CE" if found == "T1" and agent else found


def _by_sequence(header: Dataset) -> Contrast | None:
    repetition, echo = numbers_of(header, "RepetitionTime"), numbers_of(header, "EchoTime")
    if not repetition or not echo or text_of(header, "AngioFlag") == "Y":
        return None
    inversion = numbers_of(header, "InversionTime")
    acquisition = _Acquisition(
        frozenset(texts_of(header, "ScanningSequence")),
        repetition[0],
        echo[0],
        inversion[0] if inversion and inversion[0] > 0 else None,
    )
    if acquisition.sequence & {"EP", "RM"} or "SS" in texts_of(header, "SequenceVariant"):
        return None
    if acquisition.inversion_ms is not None:
        return _of_inversion_recovery(acquisition, acquisition.inversion_ms)
    if "GR" in acquisition.sequence:
        return _of_gradient_echo(acquisition, numbers_of(header, "FlipAngle"))
    return _of_spin_echo(acquisition) if acquisition.sequence == {"SE"} else None


def _of_spin_echo(acquisition: _Acquisition) -> Contrast | None:
    long_echo = acquisition.echo_ms >= 70
    if acquisition.repetition_ms <= 1000:
        return "T1" if acquisition.echo_ms <= 30 else None
    if acquisition.repetition_ms < 1800:
        return None
    return "T2" if long_echo else "PD" if acquisition.echo_ms <= 40 else None


def _of_inversion_recovery(acquisition: _Acquisition, inversion_ms: float) -> Contrast | None:
    if inversion_ms >= 1500 and acquisition.echo_ms >= 70:
        return "FLAIR"
    return "T1" if 400 <= inversion_ms <= 1300 and acquisition.echo_ms <= 30 else None


def _of_gradient_echo(acquisition: _Acquisition, flip_angle_degrees: tuple[float, ...]) -> Contrast | None:
    """Spoiled and short: T1; the longer echo times weigh by T2*, small angles by proton density."""
    spoiled = acquisition.echo_ms <= 8 and acquisition.repetition_ms <= 800
    return "T1" if spoiled and flip_angle_degrees and flip_angle_degrees[0] >= 7 else None
