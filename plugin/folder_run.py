"""`orthogen run`: one pipeline on a folder of DICOM files, without Orthanc, along the same path.

Results are written beside the output folder first and moved into it when the run has ended well, so a refusal
leaves nothing behind.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from dicom_templates.conformance import NotConforming
from dicom_templates.manifest import MANIFEST_FILE, sign
from dicom_templates.series_plan import SliceHeader
from dicom_templates.source import read_header
from dicom_templates.to_series import WrittenInstance
from pipelines.errors import OrthogenError, Refused
from pipelines.pipeline import Pipeline
from plugin.ends import Ends
from plugin.identity import Request, run_identity
from plugin.plan_job import Form, Inputs
from plugin.run_job import Outcome, run_job
from plugin.settings import Settings
from plugin.signing import signing_key

Keyed = tuple[str, SliceHeader]
LEVELS = ("PASS", "WARN", "HOLD")


class OutputExists(OrthogenError):
    """A file of that name is already in the output folder."""


@dataclass(frozen=True)
class FolderRun:
    """What the command line asks for."""

    input: Path
    output: Path
    seed: int = 0
    companions: tuple[str, ...] = ()
    form: Form = "classic"
    """Of the result of an Enhanced source."""
    key: Path = Path.home() / ".config" / "orthogen" / "signing-key.json"
    """What the provenance manifest is signed with; made when it is missing."""


@dataclass(frozen=True)
class Report:
    """What came of it: one entry per series found."""

    series: tuple[dict[str, Any], ...]

    @property
    def verdict(self) -> str:
        found = [entry["verdict"] for entry in self.series if entry.get("verdict")]
        return max(found, key=LEVELS.index) if found else "REFUSED"

    def as_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "series": list(self.series)}


def run_folder(
    wanted: FolderRun, pipeline: Pipeline, settings: Settings, say: Callable[[str], None]
) -> Report:
    """Every series in the folder that the pipeline accepts; junk and refused series are said and passed over.

    Raises:
        Refused: there is no series to process.
        OutputExists: a result would overwrite a file.
    """
    found = series_in(wanted.input, say)
    if not found:
        raise Refused(
            "no-series", f"{wanted.input} holds no DICOM image", remedy="name a folder with a series"
        )
    entries = []
    for series_instance_uid, headers in found.items():
        try:
            entries.append(_run_series(headers, wanted, pipeline, settings))
        except Refused as refusal:
            say(f"series {series_instance_uid} refused ({refusal.reason}): {refusal}")
            entries.append({"source_series_uid": series_instance_uid, "refused": str(refusal)})
    return Report(tuple(entries))


def series_in(folder: Path, say: Callable[[str], None]) -> dict[str, list[Keyed]]:
    """Key and header of each image below the folder, by Series Instance UID, whatever the files' names and
    order.
    """
    found: dict[str, dict[str, Keyed]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = read_header(path.read_bytes())
            require_uids(header)
            keyed = (str(path), SliceHeader.of(header))
        except (Refused, InvalidDicomError) as reason:
            say(f"{path.name} passed over: {reason}")
            continue
        instances = found.setdefault(str(header.SeriesInstanceUID), {})
        if keyed[1].sop_instance_uid in instances:
            say(f"{path.name} passed over: a second copy of an instance already found")
        else:
            instances[keyed[1].sop_instance_uid] = keyed
    return {uid: list(instances.values()) for uid, instances in found.items()}


def require_uids(header: Dataset) -> None:
    """Raises Refused: without them no result can say what it was made from, or belong to a study."""
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not header.get(keyword):
            raise Refused("missing-uid", f"{keyword} is missing or empty", remedy="export the file again")


def _run_series(
    headers: Sequence[Keyed], wanted: FolderRun, pipeline: Pipeline, settings: Settings
) -> dict[str, Any]:
    request = Request(
        job_id="orthogen-run", rule="orthogen run", created_s=int(time.time()), seed=wanted.seed
    )
    identity = run_identity(pipeline, request, settings)
    wanted.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.output.parent, prefix=".orthogen-") as scratch:
        ends = _folder_ends(Path(scratch), wanted)
        outcome = run_job(Inputs(headers), pipeline, identity, ends, wanted.companions, wanted.form)
        held = outcome.verdict.level == "HOLD"
        target = wanted.output / "held" if held else wanted.output
        _move(Path(scratch), target)
    return _entry(headers, outcome, target)


def _folder_ends(scratch: Path, wanted: FolderRun) -> Ends:
    def store(instance: WrittenInstance) -> None:
        (scratch / f"{instance.sop_instance_uid}.dcm").write_bytes(instance.data)

    def quarantine(instance: WrittenInstance, _broken: NotConforming) -> None:
        folder = wanted.output / "quarantine"
        folder.mkdir(exist_ok=True)
        (folder / f"{instance.sop_instance_uid}.dcm").write_bytes(instance.data)

    def prove(series_instance_uid: str, manifest: Mapping[str, Any]) -> None:
        proof = scratch / series_instance_uid
        proof.mkdir()
        signed = sign(manifest, signing_key(wanted.key))
        (proof / MANIFEST_FILE).write_text(signed.to_json(), encoding="utf-8")

    def illustrate(series_instance_uid: str, html: str) -> None:
        (scratch / f"{series_instance_uid}.html").write_text(html, encoding="utf-8")

    return Ends(
        fetch=lambda key: Path(key).read_bytes(),
        begin=lambda _series_instance_uids: None,
        store=store,
        quarantine=quarantine,
        prove=prove,
        illustrate=illustrate,
        report=lambda _stage, _share: None,
    )


def _move(scratch: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    paths = sorted(scratch.iterdir())
    for path in paths:
        if (target / path.name).exists():
            raise OutputExists(f"{target / path.name} already exists", remedy="choose an empty output folder")
    for path in paths:
        shutil.move(path, target / path.name)


def _entry(headers: Sequence[Keyed], outcome: Outcome, target: Path) -> dict[str, Any]:
    return {
        "result_series_uid": outcome.result_series_uids[0],
        "companion_series_uids": list(outcome.result_series_uids[1:]),
        "instances": outcome.instances,
        "source_instances": len(headers),
        "folder": str(target),
        "verdict": outcome.verdict.level,
        "reasons": [*outcome.verdict.reasons, *outcome.warnings],
        "figures": dict(outcome.verdict.figures),
    }
