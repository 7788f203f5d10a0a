"""The two ends of the path, as functions: the path knows neither Orthanc nor folders nor the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicom_templates.conformance import NotConforming
from dicom_templates.to_series import WrittenInstance


@dataclass(frozen=True)
class Ends:
    """Where the path begins and where it leads."""

    fetch: Callable[[str], bytes]
    """The instance with this key, as a Part 10 file."""
    begin: Callable[[Sequence[str]], None]
    """Told the Series Instance UIDs of all that will be stored, before the first instance is."""
    store: Callable[[WrittenInstance], None]
    quarantine: Callable[[WrittenInstance, NotConforming], None]
    """Takes an instance that breaks a rule, with the report; it is never stored."""
    prove: Callable[[str, Mapping[str, Any]], None]
    """Signs and keeps the provenance manifest of a result series."""
    illustrate: Callable[[str, str], None]
    """Keeps the gate's page with pictures (HTML) on the result series of that UID."""
    report: Callable[[str, float], None]
    """Told the stage and the share of the work done; raises JobInterrupted when the job is no longer ours."""
