"""What the node knows of one series at the moment it is routed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Attribute = str | tuple[str, ...]
"""One DICOM value as text, or the values of a multi-valued attribute. "A\\B" is read as two values."""


@dataclass(frozen=True)
class SeriesFacts:
    """One series, with the attributes of its study and of its instances.

    Rules read an attribute from `instances` when at least one of them carries it, else from `attributes`.
    """

    study_instance_uid: str
    series_instance_uid: str
    attributes: Mapping[str, Attribute]
    """Study, series and one instance's attributes by DICOM keyword (PS3.6), as Orthanc simplifies them.

    A sequence can only be there or not: any text that is not empty stands for one."""
    instances: tuple[Mapping[str, Attribute], ...]
    """Per-instance attributes by keyword; may be fewer than `number_of_instances`."""
    number_of_instances: int
    calling_ae_title: str
    called_ae_title: str
    remote_ip: str
    received: datetime
    """When the series was complete, in the local time that schedules and `TimeOfDay` are written in."""
