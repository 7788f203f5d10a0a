"""The node's settings: the section "Orthogen" of Orthanc's configuration, read once, then frozen.

Keys are PascalCase, so that Orthanc's environment variables (`ORTHANC__ORTHOGEN__QUIET_SECONDS`) reach them.
Unknown keys are errors. Every setting is described in `docs/configuration.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import json5
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_pascal

from pipelines.errors import ConfigurationError
from pipelines.execution import Execution
from plugin.routing.completeness import CompletenessRules
from plugin.routing.guards import GuardLimits
from plugin.routing.problems import Problem
from plugin.routing.rule import Completeness, Rule
from plugin.setting_problems import problems_of

SECTION = "Orthogen"
REPOSITORY = Path(__file__).resolve().parent.parent

AeTitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)


class Destination(_Frozen):
    """Where results are sent."""

    type: Literal["dicom"] = "dicom"
    aet: AeTitle
    """Application Entity Title of the receiver, at most 16 characters (PS3.5 6.2)."""
    host: str
    port: int = Field(ge=1, le=65535)
    storage_commitment: bool = False
    """Delivered then means that the receiver has taken over the responsibility (PS3.4 J)."""
    associations: int = Field(1, ge=1, le=16)
    """Deliveries to it at once, each over an association of its own."""
    timeout_seconds: float = Field(30.0, ge=0.5, le=3600)
    """Longest wait for a connection, and for the answer to an image, its transfer included."""
    give_up_after_hours: float = Field(72.0, gt=0, le=8760)
    """How long a delivery is tried before it is failed. Three days, so that a weekend is no loss."""


class Settings(_Frozen):
    """One frozen object; every field says its unit and why its default."""

    database: str = Field("sqlite", pattern=r"^(sqlite|postgresql://.+)$")
    """`sqlite` keeps one file in the storage folder; a PostgreSQL URL shares the queue with other machines.
    """
    pipeline_folders: tuple[str, ...] = ("pipelines",)
    """Folders that hold one folder per pipeline; relative ones start at the project's root."""
    workers: int = Field(1, ge=0, le=64)
    """Worker processes on this machine. One, because one session already uses every core."""
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """ONNX Runtime execution providers in order of preference."""
    parallel_slices: int = Field(0, ge=0, le=256)
    """Slices in inference at once in one worker; 0 means one per core this worker may use."""
    quiet_seconds: float = Field(2.0, ge=0.1, le=3600)
    """Seconds without a new instance after which a series counts as complete. Two, because scanners
    that send while reconstructing pause for about one."""
    maximum_attempts: int = Field(4, ge=1, le=20)
    """Attempts at a job whose trouble may pass, before it is set aside as failed."""
    retry_seconds: float = Field(5.0, ge=0.1, le=3600)
    """Pause before the second attempt; it grows fourfold with each further one, up to an hour."""
    content_qualification: Literal["RESEARCH", "SERVICE", "PRODUCT"] = "RESEARCH"
    """Content Qualification (0018,9004) of results. PRODUCT only for a model cleared for clinical use."""
    node_serial: str = Field("1", min_length=1, max_length=64)
    """Device Serial Number (0018,1000) that results carry for this node."""
    python: str | None = None
    """Python of the virtual environment that runs the node; by default `.venv/bin/python` of the project."""
    completeness: CompletenessRules | None = None
    """When series count as complete, where neither a rule nor `QuietSeconds` says it well enough."""
    guards: GuardLimits = GuardLimits()
    """Against loops and storms."""
    commitment_port: int | None = Field(None, ge=1, le=65535)
    """Where receivers report storage commitment on an association of their own (PS3.4 J.3.3); without it
    only reports on our own association are heard."""
    destinations: Mapping[str, Destination] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @property
    def execution(self) -> Execution:
        """How a worker of this machine runs pipelines."""
        return Execution(providers=self.providers, parallel_slices=self.parallel_slices)

    @property
    def completeness_rules(self) -> CompletenessRules:
        return self.completeness or CompletenessRules(default=Completeness(quiet_seconds=self.quiet_seconds))


def read_configuration(path: Path) -> dict[str, Any]:
    """Orthanc's whole configuration file, comments allowed as Orthanc allows them.

    Raises:
        ConfigurationError: the file is missing or is no JSON object.
    """
    try:
        configuration = json5.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror})", remedy="name an existing file"
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"{path}: not valid JSON ({error})", remedy="mend the syntax there"
        ) from error
    if not isinstance(configuration, dict):
        raise ConfigurationError(f"{path}: not a JSON object", remedy="write { ... } as Orthanc expects")
    return configuration


def settings_problems(section: object) -> list[Problem]:
    """Everything wrong with the form of the section; an empty list if it can be read."""
    try:
        Settings.model_validate(section)
    except ValidationError as error:
        return problems_of(error, Settings, prefix=SECTION)
    return []


def read_settings(section: object) -> Settings:
    """The section as settings.

    Raises:
        ConfigurationError: names the first wrong key, and how many more there are.
    """
    problems = settings_problems(section)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigurationError(f"{problems[0].path}: {problems[0].what}{more}", remedy=problems[0].allowed)
    return Settings.model_validate(section)


def pipeline_folders(settings: Settings) -> list[Path]:
    """The folders to search, relative ones from the project's root."""
    return [REPOSITORY / folder for folder in settings.pipeline_folders]
