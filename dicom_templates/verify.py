"""`orthogen verify DIR`: do a folder's results and manifests still belong together, sample for sample?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dicom_templates.enhanced_source import EnhancedInstance, is_enhanced
from dicom_templates.manifest import (
    MANIFEST_FILE,
    SignatureBroken,
    SignedManifest,
    samples_sha256,
    verified_thumbprint,
)
from dicom_templates.part10 import scan
from dicom_templates.raw_values import text
from dicom_templates.series_plan import is_own_result
from dicom_templates.source import read_header, read_slice
from dicom_templates.tags import SERIES_INSTANCE_UID, SOP_INSTANCE_UID
from pipelines.errors import Refused


@dataclass(frozen=True)
class FolderReport:
    """What was found; `problems` is empty when all is well."""

    instances: int
    """Result instances whose samples are those of a signed manifest."""
    manifests: int
    signers: tuple[str, ...]
    """Thumbprints of the keys that signed."""
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True when something was checked and nothing was wrong."""
        return self.instances > 0 and not self.problems


@dataclass(frozen=True)
class _Found:
    path: Path
    series_uid: str
    samples_sha256: Mapping[int | None, str]
    """By frame number; None for the one image of a single-frame instance."""


def verify_folder(folder: Path, trusted_thumbprints: Collection[str] = ()) -> FolderReport:
    """Check every manifest below `folder` against the instances there, sources included where present.

    With `trusted_thumbprints` a signature by any other key is a problem.
    """
    manifests = sorted(folder.rglob(MANIFEST_FILE))
    instances = _instances(folder)
    problems: list[str] = []
    signers: list[str] = []
    proven: set[str] = set()
    for path in manifests:
        try:
            signed = SignedManifest.from_json(path.read_bytes())
            signers.append(verified_thumbprint(signed))
        except SignatureBroken as broken:
            problems.append(f"{path.relative_to(folder)}: {broken}")
            continue
        if trusted_thumbprints and signers[-1] not in trusted_thumbprints:
            problems.append(f"{path.relative_to(folder)}: signed by an untrusted key {signers[-1]}")
        problems += _differences(signed, instances, proven)
    problems += _unproven(folder, instances, proven)
    if not manifests:
        problems.append(f"no {MANIFEST_FILE} below the folder")
    return FolderReport(len(proven), len(manifests), tuple(signers), tuple(problems))


def _differences(signed: SignedManifest, instances: Mapping[str, _Found], proven: set[str]) -> Iterator[str]:
    """Problems of one manifest; `proven` takes up the results whose samples are as signed."""
    for entry in signed.manifest.get("instances", ()):
        result, source = str(entry["result_sop_instance_uid"]), str(entry["source_sop_instance_uid"])
        frame = entry.get("result_frame_number")
        if result not in instances:
            yield f"{result}: listed, but not in the folder"
        elif instances[result].samples_sha256.get(frame) != entry["result_samples_sha256"]:
            yield f"{result}: its samples are not those that were signed"
        elif instances[result].series_uid != signed.manifest.get("result_series_instance_uid"):
            yield f"{result}: in another series than signed"
        else:
            proven.add(result)
        found, frame = instances.get(source), entry.get("source_frame_number")
        if found and found.samples_sha256.get(frame) != entry["source_samples_sha256"]:
            yield f"{source}: the source's samples are not those that were processed"


def _unproven(folder: Path, instances: Mapping[str, _Found], proven: set[str]) -> Iterator[str]:
    for uid, found in instances.items():
        if uid not in proven and _is_result_image(found.path):
            yield f"{found.path.relative_to(folder)}: a result of ours that no manifest proves"


def _is_result_image(path: Path) -> bool:
    part10 = scan(path.read_bytes())
    return part10.has_pixel_data and is_own_result(part10.header)


def _instances(folder: Path) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = path.read_bytes()
        if data[128:132] != b"DICM":
            continue
        try:
            elements = scan(data).elements
        except Refused:
            continue  # no DICOM any more; a manifest that lists it will miss it
        uid, series = text(elements, SOP_INSTANCE_UID), text(elements, SERIES_INSTANCE_UID)
        if uid is not None:
            found[uid] = _Found(path, series or "", _digests(data))
    return found


def _digests(data: bytes) -> dict[int | None, str]:
    try:
        if not is_enhanced(read_header(data)):
            return {None: samples_sha256(read_slice(data).stored_values)}
        instance = EnhancedInstance.of(data)
        numbers = range(1, instance.frames + 1)
        return {number: samples_sha256(instance.slice(number).stored_values) for number in numbers}
    except Refused:
        return {}
