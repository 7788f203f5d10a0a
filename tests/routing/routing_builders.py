"""Series and rules for the tests of routing, as short as they can be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.rule import Rule

RECEIVED = datetime(2026, 11, 22, 14, 0, 0)
AXIAL = "1\\0\\0\\0\\1\\0"
SAGITTAL = "0\\1\\0\\0\\0\\-1"
CORONAL = "1\\0\\0\\0\\0\\-1"


def a_series(
    uid: str = "1.2.3.1",
    *,
    instances: tuple[Mapping[str, Attribute], ...] = (),
    count: int | None = None,
    received: datetime = RECEIVED,
    calling: str = "SCANNER",
    called: str = "ORTHOGEN",
    address: str = "10.1.2.3",
    study: str = "1.2.3",
    **attributes: Attribute,
) -> SeriesFacts:
    return SeriesFacts(
        study_instance_uid=study,
        series_instance_uid=uid,
        attributes=attributes,
        instances=instances,
        number_of_instances=len(instances) or 1 if count is None else count,
        calling_ae_title=calling,
        called_ae_title=called,
        remote_ip=address,
        received=received,
    )


def a_stack(
    count: int, *, spacing_mm: float = 1.0, orientation: str = AXIAL
) -> tuple[Mapping[str, Attribute], ...]:
    """Instances of a stack along z."""
    return tuple(
        {
            "ImageOrientationPatient": orientation,
            "ImagePositionPatient": f"-100\\-100\\{place * spacing_mm:g}",
            "InstanceNumber": str(place + 1),
        }
        for place in range(count)
    )


def a_rule(name: str = "rule", **keys: Any) -> Rule:
    return Rule.model_validate({"Name": name, "Pipeline": "ct-denoise", **keys}, by_alias=True, by_name=False)
