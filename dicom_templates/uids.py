"""Unique identifiers of ours: UUID-derived ones under 2.25 (PS3.5 Annex B.2), never random.

A result's UIDs are names (UUID version 5, RFC 9562) of everything its content depends on, so that the
same work written twice is the same object, and any other work is another.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from dicom_templates.identity import RunIdentity

IMPLEMENTATION_CLASS_UID = "2.25.99651900113067453022487608492634641530"
INSTANCE_CREATOR_UID = "2.25.104884927862323980931374661070403609576"
IMPLEMENTATION_VERSION_NAME = "ORTHOGEN"

_NAMESPACE = uuid.UUID("c30d73da-1f3a-4bf9-a752-41692a9cf44f")
_SEPARATOR = "\x1f"


def device_uid(model_sha256: str) -> str:
    """The Device UID (0018,1002) of a model: another one whenever its weights change."""
    return _name_uid("device", model_sha256)


def result_series_uid(
    identity: RunIdentity,
    source_series_uid: str,
    source_sop_instance_uids: Iterable[str],
    output: str,
) -> str:
    """One series per source content, run identity and kind of output (a template's name, "difference", ...).

    When, by which rule and in which job a result was made do not enter: they leave the pixels as they are.
    """
    return _name_uid(
        "series",
        source_series_uid,
        *sorted(source_sop_instance_uids),
        "run",
        identity.pipeline_name,
        identity.pipeline_version,
        identity.model_sha256,
        identity.config_sha256,
        str(identity.seed),
        identity.execution_provider,
        identity.runtime,
        identity.node_version,
        output,
    )


def result_instance_uid(series_uid: str, source_sop_instance_uid: str, part: str = "") -> str:
    """The instance of a result series that stands for one source instance; through the series' UID it
    depends on all that the series does. `part` tells several results of one source instance apart.
    """
    return _name_uid("instance", series_uid, source_sop_instance_uid, part)


def _name_uid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, _SEPARATOR.join(parts)).int}"
