"""What is published about the manifest is what the code does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.manifest import Manifest
from pipelines.manifest_schema import manifest_schema, schema_text

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "add_a_pipeline.md").read_text()


def examples() -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)]


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in [("Manifest", schema), *schema["$defs"].items()]:
        for key, value in part.get("properties", {}).items():
            yield f"{name}.{key}", value


def test_the_published_schema_is_the_codes() -> None:
    published = (DOCS / "pipeline.schema.json").read_text()
    assert published == schema_text(), "run: python -m pipelines.manifest_schema > docs/pipeline.schema.json"


def test_the_schema_refuses_unknown_keys_everywhere() -> None:
    schema = manifest_schema()
    assert all(part["additionalProperties"] is False for part in [schema, *schema["$defs"].values()])


def test_every_key_is_in_pascal_case() -> None:
    names = [name.partition(".")[2] for name, _ in properties(manifest_schema())]
    assert len(names) > 60
    assert [name for name in names if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name)] == []


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["Name"])
def test_the_manifests_in_the_guide_are_valid(example: dict[str, Any]) -> None:
    assert Manifest.model_validate(example).name == example["Name"]


def test_the_guide_names_every_step_method_and_top_level_part() -> None:
    schema = manifest_schema()
    steps = [
        part["properties"]["Step"]["const"]
        for part in schema["$defs"].values()
        if "Step" in part["properties"]
    ]
    methods = schema["$defs"]["SamplerSettings"]["properties"]["Method"]["enum"]
    parts = [
        "Inputs",
        "Preprocessing",
        "Postprocessing",
        "Consistency",
        *schema["properties"]["Consistency"]["anyOf"][0]["discriminator"]["mapping"],
        "Tiles",
        "Gate",
        "Encoder",
        "Repeats",
        "Temperature",
    ]
    assert len(steps) == 6
    assert [name for name in [*steps, *methods, *parts] if name not in GUIDE] == []


def test_the_shipped_pipelines_are_valid() -> None:
    for file in (DOCS.parent / "pipelines").glob("*/pipeline.json"):
        Manifest.model_validate_json(file.read_bytes())
