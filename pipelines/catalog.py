"""The pipelines at hand: only folders whose every file is what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipelines.errors import ConfigurationError, PipelineBroken
from pipelines.gate_thresholds import GateThresholds
from pipelines.manifest import Manifest
from pipelines.manifest_part import read_part
from pipelines.model_file import EncoderFile, ModelFile

MANIFEST_FILE = "pipeline.json"


@dataclass(frozen=True)
class CatalogEntry:
    """One pipeline folder, read and verified."""

    folder: Path
    manifest: Manifest
    model_sha256: str
    config_sha256: str

    def read_model(self, model: ModelFile | EncoderFile | None = None) -> bytes:
        """The bytes of a model file (the main one without an argument), verified again as they are read."""
        return _verified_bytes(self.folder, model or self.manifest.model)


class Catalog:
    """Pipelines by name."""

    def __init__(self, entries: Sequence[CatalogEntry]) -> None:
        self._entries: dict[str, CatalogEntry] = {}
        for entry in entries:
            name = entry.manifest.name
            if name in self._entries:
                both = f"{self._entries[name].folder} and {entry.folder}"
                raise PipelineBroken(f"two pipelines are named {name}: {both}", remedy="rename or remove one")
            self._entries[name] = entry

    @classmethod
    def load(cls, folders: Sequence[Path]) -> Catalog:
        """Every sub-folder of `folders` that holds a pipeline.json, in the order of their names.

        Raises `PipelineBroken` for the first one that cannot be used, naming folder, value and remedy.
        """
        return cls([load_entry(file.parent) for folder in folders for file in _manifest_files(folder)])

    def __getitem__(self, name: str) -> CatalogEntry:
        """The pipeline of that name; raises `ConfigurationError` naming those there are."""
        if name not in self._entries:
            known = ", ".join(self.names()) or "none"
            raise ConfigurationError(f"there is no pipeline {name!r}", remedy=f"there are: {known}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[CatalogEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)


def with_gate(entry: CatalogEntry, limits: Mapping[str, Any]) -> CatalogEntry:
    """The pipeline under other limits of its gate; `limits` holds keys of the manifest's Gate, as in JSON."""
    if not limits:
        return entry
    gate = GateThresholds.model_validate({**entry.manifest.gate.model_dump(by_alias=True), **limits})
    manifest = entry.manifest.model_copy(update={"gate": gate})
    return replace(entry, manifest=manifest, config_sha256=manifest.config_sha256())


def load_entry(folder: Path) -> CatalogEntry:
    """One pipeline folder; raises `PipelineBroken`."""
    manifest = read_part(
        folder / MANIFEST_FILE,
        Manifest,
        missing="a pipeline folder needs one",
        faulty="correct it by docs/pipeline.schema.json",
    )
    for file in manifest.files():
        _verified_bytes(folder, file)
    return CatalogEntry(folder, manifest, manifest.model.sha256, manifest.config_sha256())


def _manifest_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PipelineBroken(f"pipeline folder {folder} does not exist", remedy="correct PipelineFolders")
    return sorted(folder.glob(f"*/{MANIFEST_FILE}"))


def _verified_bytes(folder: Path, model: ModelFile | EncoderFile) -> bytes:
    path = folder / model.file
    if path.is_symlink():
        raise PipelineBroken(f"{path} is a symbolic link", remedy="put the model file itself in the folder")
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise PipelineBroken(what, remedy="put the model file back") from error
    found = sha256(content).hexdigest()
    if found != model.sha256:
        raise PipelineBroken(
            f"{path} has SHA-256 {found}, but {MANIFEST_FILE} registers {model.sha256}",
            remedy="put the registered file back, or check the new one and register it",
        )
    return content
