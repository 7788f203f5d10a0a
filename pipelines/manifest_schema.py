"""The published JSON Schema: `python -m pipelines.manifest_schema > docs/pipeline.schema.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from pipelines.manifest import Manifest

ADDRESS = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema() -> dict[str, Any]:
    """Generated from the classes that read the manifest, so that it cannot say anything else."""
    schema = Manifest.model_json_schema(by_alias=True)
    return {"$schema": ADDRESS, **schema, "title": "Orthogen pipeline manifest (pipeline.json)"}


def schema_text() -> str:
    """As the published file holds it."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
