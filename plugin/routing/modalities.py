"""Which modalities a condition lets through, and which a pipeline takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plugin.routing.comparison import Comparison
from plugin.routing.conditions import AllOf, AnyOf, Condition

MODALITIES = frozenset(
    """AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL
    IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG
    RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN
    TEXTUREMAP TG US VA XA XAPROTOCOL XC""".split()  # noqa: SIM905
)
"""Defined terms of Modality (0008,0060), PS3.3 C.7.3.1.1.1."""


def selected_modalities(condition: Condition) -> frozenset[str] | None:
    """The modalities a series can have that satisfies the condition; None where it names none."""
    match condition:
        case Comparison() if condition.attribute.name == "Modality" and condition.instances != "any":
            return _listed(condition)
        case AllOf(parts):
            known = [found for part in parts if (found := selected_modalities(part)) is not None]
            return frozenset.intersection(*known) if known else None
        case AnyOf(parts):
            choices = [selected_modalities(part) for part in parts]
            known = [found for found in choices if found is not None]
            return frozenset().union(*known) if len(known) == len(choices) else None
        case _:
            return None


def taken_modalities(pipeline: Any) -> Mapping[str, str | None]:
    """Input's name to its modality, from a manifest: as the JSON of a pipeline.json, or its model.

    Empty where the manifest says nothing about inputs.
    """
    inputs: Iterable[Any] = _read(_read(pipeline, "Manifest", pipeline), "Inputs", ())
    if isinstance(inputs, Mapping):
        return {str(name): _text(_read(one, "Modality")) for name, one in inputs.items()}
    return {str(_read(one, "Name", place)): _text(_read(one, "Modality")) for place, one in enumerate(inputs)}


def _listed(comparison: Comparison) -> frozenset[str] | None:
    match comparison.operator, comparison.expected:
        case "Equals", str(modality):
            return frozenset({modality})
        case "OneOf", tuple(several):
            return frozenset(str(modality) for modality in several)
        case _:
            return None


def _read(source: Any, name: str, otherwise: Any = None) -> Any:
    if isinstance(source, Mapping):
        return source.get(name, otherwise)
    return getattr(source, name.lower(), otherwise)


def _text(modality: Any) -> str | None:
    return None if modality is None else str(modality)
