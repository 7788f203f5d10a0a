"""Who made a result, as the result itself will say it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from dicom_templates.identity import RunIdentity
from pipelines.manifest import Manifest
from pipelines.pipeline import Pipeline
from plugin.settings import Settings

RULE_LENGTH = 64


@dataclass(frozen=True)
class Request:
    """What makes one run different from another run of the same pipeline."""

    job_id: str
    rule: str
    created_s: float
    """Seconds since 1970; every date and time in the result comes from it, so that a replay is the same file.
    """
    seed: int = 0


def node_version() -> str:
    return version("orthogen")


def printable(text: str) -> str:
    """A rule's name in the repertoire every character set shares, so that results keep their source's own."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").replace("\\", "/")
    shown = "".join(character for character in plain if character.isprintable()).strip()
    return shown[:RULE_LENGTH] or "unnamed"


def run_identity(pipeline: Pipeline, request: Request, settings: Settings) -> RunIdentity:
    entry = pipeline.entry
    return RunIdentity(
        pipeline_name=entry.manifest.name,
        pipeline_version=entry.manifest.version,
        task=entry.manifest.task,
        publisher=entry.manifest.publisher,
        generative=entry.manifest.generative,
        model_sha256=entry.model_sha256,
        config_sha256=entry.config_sha256,
        seed=request.seed,
        execution_provider=pipeline.execution_provider,
        runtime=pipeline.runtime,
        node_version=node_version(),
        node_serial=settings.node_serial,
        rule=printable(request.rule),
        job_id=request.job_id,
        created=datetime.fromtimestamp(int(request.created_s), UTC),
        content_qualification=settings.content_qualification,
        contrast_from=known_contrast(entry.manifest),
        contrast_to=entry.manifest.output_contrast or "",
    )


def known_contrast(manifest: Manifest) -> str:
    """Of the source of a translation, where the manifest allows but one."""
    allowed = manifest.inputs[0].contrasts or ()
    return allowed[0] if manifest.output_contrast and len(allowed) == 1 else ""
