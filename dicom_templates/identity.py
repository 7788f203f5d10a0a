"""Who made a result, with what, and why: the facts that travel inside every object we write."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime

from pipelines.errors import ConfigurationError

PRODUCT_NAME = "Orthogen"
PRODUCT_PUBLISHER = "Orthogen project"

CONTENT_QUALIFICATIONS = ("RESEARCH", "PRODUCT", "SERVICE")
"""The enumerated values of Content Qualification (0018,9004), PS3.3 C.8.13.2.1."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN_TEXT = re.compile(r"[ -\[\]-~]*")
_LONGEST = {"rule": 128, "job_id": 128, "pipeline_version": 48}
_MAY_BE_EMPTY = frozenset({"rule", "job_id", "contrast_from", "contrast_to"})
_LONGEST_STRING = 64


@dataclass(frozen=True)
class RunIdentity:
    """Everything a result says about how it was made.

    Texts are printable ASCII without backslash, so that they fit behind any Specific Character Set of
    a source and its names can stay as they are. Raises ConfigurationError.
    """

    pipeline_name: str
    pipeline_version: str
    task: str
    """"denoise", "translate", ...: the key of a template."""
    publisher: str
    generative: bool
    """True for every stochastic or generative method: the result is then Synthetic Data (0008,001C)."""
    model_sha256: str
    config_sha256: str
    seed: int
    execution_provider: str
    runtime: str
    node_version: str
    node_serial: str
    rule: str
    job_id: str
    created: datetime
    """Aware. All dates and times of a result come from it, so that a repeated write is byte-identical."""
    content_qualification: str = "RESEARCH"
    contrast_from: str = ""
    """Translation only: what the source shows ("T1")."""
    contrast_to: str = ""
    """Translation only: what the result shows ("T2")."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                _check_text(field.name, value)
        for name in ("model_sha256", "config_sha256"):
            if not _SHA256.fullmatch(getattr(self, name)):
                raise ConfigurationError(f"{name} is not 64 lower-case hexadecimal digits")
        if self.created.utcoffset() is None:
            raise ConfigurationError("created has no time zone", remedy="give an aware datetime")
        if self.content_qualification not in CONTENT_QUALIFICATIONS:
            allowed = ", ".join(CONTENT_QUALIFICATIONS)
            raise ConfigurationError(
                f"content_qualification {self.content_qualification!r} is not one of {allowed}"
            )

    @property
    def model_version(self) -> str:
        """Software Versions of the algorithm: survives de-identification, and changes with the weights."""
        return f"{self.pipeline_version}+{self.model_sha256[:12]}"


def _check_text(name: str, value: str) -> None:
    if not value.strip() and name not in _MAY_BE_EMPTY:
        raise ConfigurationError(f"{name} is empty, and every result has to say it")
    longest = _LONGEST.get(name, _LONGEST_STRING)
    if not _PLAIN_TEXT.fullmatch(value):
        raise ConfigurationError(f"{name} {value!r} is not printable ASCII without backslash")
    if len(value) > longest:
        raise ConfigurationError(f"{name} has {len(value)} characters; at most {longest} fit")
