"""The node's settings: the section "Orthogen" of Orthanc's configuration, read once, then frozen.

Keys are PascalCase, so that Orthanc's environment variables (`ORTHANC__ORTHOGEN__QUIET_SECONDS`) reach them.
Unknown keys are errors. Every setting is described in `docs/configuration.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import json5
import sqlalchemy as sa
from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from pipelines.errors import ConfigurationError
from pipelines.execution import Execution
from plugin.access import OrthancAccess
from plugin.delivery.credentials import Tls
from plugin.delivery.destination import Destination, DestinationName
from plugin.retention_limits import RetentionLimits
from plugin.routing.completeness import CompletenessRules
from plugin.routing.guards import GuardLimits
from plugin.routing.problems import Problem
from plugin.routing.rule import Completeness, Rule
from plugin.setting_model import SettingModel
from plugin.setting_problems import problems_of
from plugin.space import Space

SECTION = "Orthogen"
REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(SettingModel):
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
    time_limit_seconds: float = Field(3600.0, gt=0)
    """Longest run of one attempt at a job; then it is failed. An hour, so that only what hangs is hit."""
    time_limits: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Seconds by pipeline name, where its limit is another."""
    orthanc: OrthancAccess | None = None
    """Where a worker on another machine reaches Orthanc; the node itself does not need it."""
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
    commitment_tls: Tls | None = None
    """With it reports are heard on `commitment_port` over TLS only."""
    secret_folder: str = "/run/secrets"
    """Where the files lie that a destination's `Password` or `Token` may name."""
    destinations: Mapping[DestinationName, Destination] = Field(default_factory=dict)
    """As in the file; those in force are in `plugin.delivery.destination_book`."""
    rules: tuple[Rule, ...] = ()
    minimum_free_megabytes: float = Field(500.0, ge=0)
    """Floor of free space (10^6 bytes) on each disk that is written to: below it no new work begins. Enough
    for what a few jobs under way still write."""

    retention: RetentionLimits = RetentionLimits()
    """How long what is kept; for ever where it says nothing."""

    viewer_folder: str = "build/viewer/ohif"
    """Where `make viewer` has put OHIF; relative paths start at the project's root."""

    @field_validator("database")
    @classmethod
    def _without_a_password_that_is_shown(cls, database: str) -> str:
        """What hides the password of an address in texts and logs does not look at its query."""
        try:
            query = {} if database == "sqlite" else sa.make_url(database).query
        except (sa.exc.ArgumentError, ValueError):
            raise PydanticCustomError("database", "is no address of a database") from None
        for key in query:
            if key.lower() in ("password", "sslpassword"):
                raise PydanticCustomError(
                    "database", "has a password behind the '?', where logs would show it"
                )
        return database

    def space(self, folders: Iterable[Path]) -> Space:
        """The disks to watch."""
        return Space(tuple(folders), self.minimum_free_megabytes)

    def time_limit_s(self, pipeline: str) -> float:
        """Of one attempt."""
        return self.time_limits.get(pipeline, self.time_limit_seconds)

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


def viewer_folder(settings: Settings) -> Path:
    return REPOSITORY / settings.viewer_folder
