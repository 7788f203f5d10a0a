"""The container set-up, as far as it can be checked without an image registry."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from plugin.settings import SECTION, Settings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
IN_IMAGE = PurePosixPath("/opt/orthogen")


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
        "services"
    ]
    return services["orthanc"]


def test_compose_builds_from_a_dockerfile_that_exists(service: dict[str, Any]) -> None:
    build = service["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_compose_mounts_files_that_exist(service: dict[str, Any]) -> None:
    mounted = [volume.partition(":")[0] for volume in service["volumes"]]
    assert [path for path in mounted if path.startswith(".") and not (ROOT / path).exists()] == []


def test_compose_switches_nagle_off_and_authentication_on(service: dict[str, Any]) -> None:
    assert service["environment"]["TCP_NODELAY"] == "1"
    assert service["environment"]["ORTHANC__AUTHENTICATION_ENABLED"] == "true"
    assert "ORTHOGEN_PASSWORD:?" in service["environment"]["ORTHANC__REGISTERED_USERS"]


def test_settings_of_the_container_are_valid() -> None:
    section = json.loads((ROOT / "docker" / "orthogen.json").read_text())[SECTION]
    assert [rule.pipeline for rule in Settings.model_validate(section).rules] == ["ct-denoise"]


def test_image_copies_files_that_exist_and_loads_the_door() -> None:
    lines = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    copied = [name for line in lines for name in line.split()]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    script = re.search(r"ORTHANC__PYTHON_SCRIPT=(\S+)", DOCKERFILE)
    assert script is not None
    assert (ROOT / PurePosixPath(script[1]).relative_to(IN_IMAGE)).is_file()
