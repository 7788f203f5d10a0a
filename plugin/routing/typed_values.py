"""A series that exists only in words, to try rules on: a dry run on typed values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pipelines.errors import ConfigurationError
from plugin.routing.attributes import attribute_named, attribute_names
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.operators import OPERAND_OF_KIND
from plugin.routing.problems import did_you_mean
from plugin.routing.values import parse_value, split_values

TypedValue = str | int | float | Sequence[str | int | float]


def facts_from_values(values: Mapping[str, TypedValue], *, received: datetime) -> SeriesFacts:
    """The facts of a series that has just these values, by DICOM keyword or name of the node's own.

    `Orientation` and `SliceSpacingMm` are taken as stated. `received` gives the date, and the time where
    `TimeOfDay` does not. Raises ConfigurationError for a name or value that no series can have.
    """
    attributes = {name: _checked(name, value) for name, value in values.items()}
    midnight = received.replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = _number(attributes, "TimeOfDay")
    return SeriesFacts(
        study_instance_uid=_text(attributes, "StudyInstanceUID"),
        series_instance_uid=_text(attributes, "SeriesInstanceUID"),
        attributes=attributes,
        instances=(),
        number_of_instances=int(_number(attributes, "NumberOfInstances") or 1),
        calling_ae_title=_text(attributes, "CallingAeTitle"),
        called_ae_title=_text(attributes, "CalledAeTitle"),
        remote_ip=_text(attributes, "RemoteIp"),
        received=received if seconds is None else midnight + timedelta(seconds=seconds),
    )


def _checked(name: str, value: TypedValue) -> Attribute:
    attribute = attribute_named(name)
    if attribute is None:
        near = did_you_mean(name, attribute_names())
        raise ConfigurationError(f"there is no attribute {name!r}", remedy=near or "use a DICOM keyword")
    if isinstance(value, str | int | float):
        parts = split_values(str(value), attribute)
    else:
        parts = tuple(str(part) for part in value)
    for part in parts:
        if parse_value(attribute.kind, part) is None:
            raise ConfigurationError(
                f"{name} cannot be {part!r}", remedy=f"type {OPERAND_OF_KIND[attribute.kind]}"
            )
    return parts


def _text(attributes: Mapping[str, Attribute], name: str) -> str:
    return "".join(attributes.get(name, ())[:1])


def _number(attributes: Mapping[str, Attribute], name: str) -> float | None:
    attribute, text = attribute_named(name), _text(attributes, name)
    value = parse_value(attribute.kind, text) if attribute and text else None
    return value if isinstance(value, float) else None
