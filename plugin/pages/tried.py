"""What the rules are tried on: typed values, a stored study or series, or a dropped file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime

from dicom_templates.source import read_header
from plugin.describe import described_file
from plugin.parts import Parts
from plugin.rest_errors import Unacceptable
from plugin.rest_rules import tried_on
from plugin.routing.facts import SeriesFacts
from plugin.routing.rule import Rule
from plugin.routing.typed_values import facts_from_values


def tried_series(parts: Parts, form: Mapping[str, str], rules: Sequence[Rule]) -> list[SeriesFacts]:
    """The first of file, study and values that is there; raises OrthogenError where it is none."""
    if form.get("file_base64"):
        return [described_file(read_header(file_bytes(form["file_base64"])))]
    if uid := form.get("study_instance_uid", "").strip():
        return tried_on(parts, {"study_instance_uid": uid}, rules)
    values = typed_values(form.get("typed", ""))
    if not values:
        raise Unacceptable(
            "there is nothing to try the rules on", remedy="type values, name a study or choose a file"
        )
    return [facts_from_values(values, received=datetime.now().astimezone())]


def file_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Unacceptable("the file did not arrive whole", remedy="choose it again") from None


def typed_values(text: str) -> dict[str, str]:
    """`Modality = CT`, one a line."""
    found = {}
    for line in text.splitlines():
        if line.strip():
            name, equals, value = line.partition("=")
            if not equals:
                raise Unacceptable(f"the line {line.strip()!r} has no '='", remedy="write Modality = CT")
            found[name.strip()] = value.strip()
    return found
