"""Series facts to JSON and back, small enough to keep one for every series: for explanations and replays.

Attributes of the instances are stored by keyword: once where all instances agree, else a list with one entry
for each instance, null where it lacks the attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plugin.routing.facts import Attribute, SeriesFacts


def facts_as_json(facts: SeriesFacts) -> dict[str, Any]:
    """Plain JSON. It holds what the facts hold, attributes that point at a person too."""
    return {
        "study_instance_uid": facts.study_instance_uid,
        "series_instance_uid": facts.series_instance_uid,
        "attributes": {keyword: _listed(value) for keyword, value in facts.attributes.items()},
        "known_instances": len(facts.instances),
        "instances": _by_keyword(facts.instances),
        "number_of_instances": facts.number_of_instances,
        "calling_ae_title": facts.calling_ae_title,
        "called_ae_title": facts.called_ae_title,
        "remote_ip": facts.remote_ip,
        "received": facts.received.isoformat(),
    }


def facts_from_json(stored: Mapping[str, Any]) -> SeriesFacts:
    """The facts that were stored. Raises KeyError or ValueError for JSON that is none of `facts_as_json`."""
    columns = stored["instances"]
    return SeriesFacts(
        study_instance_uid=stored["study_instance_uid"],
        series_instance_uid=stored["series_instance_uid"],
        attributes={keyword: _tuple(value) for keyword, value in stored["attributes"].items()},
        instances=tuple(_instance(columns, place) for place in range(stored["known_instances"])),
        number_of_instances=stored["number_of_instances"],
        calling_ae_title=stored["calling_ae_title"],
        called_ae_title=stored["called_ae_title"],
        remote_ip=stored["remote_ip"],
        received=datetime.fromisoformat(stored["received"]),
    )


def _by_keyword(instances: Sequence[Mapping[str, Attribute]]) -> dict[str, dict[str, Any]]:
    keywords = dict.fromkeys(keyword for instance in instances for keyword in instance)
    columns = {keyword: [_listed(instance.get(keyword)) for instance in instances] for keyword in keywords}
    return {keyword: _column(values) for keyword, values in columns.items()}


def _column(values: list[Any]) -> dict[str, Any]:
    same = all(value == values[0] for value in values)
    return {"all": values[0]} if same else {"each": values}


def _instance(columns: Mapping[str, Mapping[str, Any]], place: int) -> dict[str, Attribute]:
    values = {
        keyword: column["all"] if "all" in column else column["each"][place]
        for keyword, column in columns.items()
    }
    return {keyword: _tuple(value) for keyword, value in values.items() if value is not None}


def _listed(value: Attribute | None) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else list(value)


def _tuple(value: Any) -> Attribute:
    return value if isinstance(value, str) else tuple(value)
