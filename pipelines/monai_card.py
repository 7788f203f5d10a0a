"""The model card of an imported MONAI bundle: what its metadata says, and what nobody said."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipelines.manifest import Manifest
from pipelines.monai_metadata import BundleMetadata

NOT_MEASURED = """\
- Any figure of image quality or of what the network may invent: nothing was measured here yet. Run
  `orthogen evaluate` and write its figures here before a result is read by anybody.
- Whether the preprocessing is that of the training: it was given by the person who imported the bundle. The
  bundle's own transforms are programs, and were not read.
- Whether the acceptance envelope is that of the training data: it was given by the same person."""


def model_card(manifest: Manifest, metadata: BundleMetadata) -> str:
    """Markdown."""
    unknown = [f"- {what}: the bundle does not say." for what in _unsaid(metadata)]
    lines = [
        f"# {manifest.name} {manifest.version}",
        "Imported from a MONAI bundle. All but the last section is the bundle's own word, not checked here.",
        f"**Task**: {manifest.task} (the bundle: {_line(metadata.task)})",
        _line(metadata.description),
        f"**Intended use**: {_line(metadata.intended_use)}",
        f"**Authors**: {authors(metadata)}",
        f"**Copyright**: {_line(metadata.copyright)}",
        f"**Training data**: {_line(metadata.data_source)}",
        f"**Figures claimed**: {json.dumps(metadata.eval_metrics) if metadata.eval_metrics else 'none'}",
        f"**Model**: {manifest.model.file}, SHA-256 {manifest.model.sha256}",
        *(f"- {_line(reference)}" for reference in metadata.references),
        "## What is not known",
        "\n".join([*unknown, NOT_MEASURED]),
    ]
    return "\n\n".join(lines) + "\n"


def authors(metadata: BundleMetadata) -> str:
    """On one line."""
    named = metadata.authors
    return _line(named if isinstance(named, str) else ", ".join(named))


def _unsaid(metadata: BundleMetadata) -> Iterator[str]:
    said = {
        "Intended use": metadata.intended_use,
        "Copyright and licence": metadata.copyright,
        "Training data": metadata.data_source,
        "Figures of its evaluation": metadata.eval_metrics,
    }
    yield from (what for what, words in said.items() if not words)


def _line(words: str | None) -> str:
    return " ".join((words or "not stated").split())
