"""What can be known to be wrong before anything starts: settings, rules, pipelines, installation."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterable
from pathlib import Path

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError, OrthogenError
from plugin.routing.problems import Problem
from plugin.routing.validate import check_rules
from plugin.settings import SECTION, pipeline_folders, read_settings, settings_problems

NEEDED_MODULES = ("onnxruntime", "pydicom", "highdicom", "dbos", "starlette", "uvicorn")
ORTHANC_PATHS = (Path("/usr/sbin/Orthanc"), Path("/usr/local/sbin/Orthanc"))
PLUGIN_FOLDERS = (Path("/usr/share/orthanc/plugins"), Path("/usr/local/share/orthanc/plugins"))


def configuration_problems(section: object, catalog: Catalog | None) -> list[Problem]:
    """Every mistake in the section; rules are held against the pipelines where these could be loaded."""
    found = settings_problems(section)
    if not isinstance(section, dict) or not isinstance(section.get("Rules", []), list):
        return found
    found = [problem for problem in found if not problem.path.startswith(f"{SECTION}.Rules[")]
    pipelines = {entry.manifest.name: entry.manifest for entry in catalog} if catalog else None
    destinations = section.get("Destinations", {})
    rules = check_rules(section.get("Rules", []), pipelines=pipelines, destinations=list(destinations))
    seen = {problem.path for problem in found}
    prefixed = (Problem(f"{SECTION}.{rule.path}", rule.what, rule.allowed, rule.severity) for rule in rules)
    return found + [problem for problem in prefixed if problem.path not in seen]


def all_problems(configuration: dict[str, object]) -> list[Problem]:
    """What `orthogen check` reports on a whole configuration."""
    section = configuration.get(SECTION)
    if not isinstance(section, dict):
        what = "is missing" if section is None else "is no object"
        return [Problem(SECTION, what, 'add "Orthogen": { ... }, see docs/configuration.md')]
    form = settings_problems(section)
    if any(problem.path.startswith(f"{SECTION}.PipelineFolders") for problem in form):
        return form
    try:
        folders = pipeline_folders(
            read_settings({"PipelineFolders": section.get("PipelineFolders", ["pipelines"])})
        )
        catalog = Catalog.load(folders)
    except OrthogenError as error:
        broken = Problem(f"{SECTION}.PipelineFolders", error.what, error.remedy or "mend the folder")
        return [broken, *configuration_problems(section, None)]
    return configuration_problems(section, catalog)


def require_modules() -> None:
    """Raises ConfigurationError if the virtual environment is broken."""
    for name in NEEDED_MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigurationError(
                f"the virtual environment is broken: {name} cannot be imported ({error})",
                remedy="run `make setup`, or reinstall with `pip install -r requirements.lock`",
            ) from error


def find_orthanc() -> Path:
    """Raises ConfigurationError if there is no Orthanc, or it lacks its Python plugin."""
    found = next((path for path in ORTHANC_PATHS if path.exists()), None)
    if found is None:
        raise ConfigurationError("Orthanc is not installed", remedy="run `make setup`")
    if plugin_folder() is None:
        raise ConfigurationError("Orthanc's Python plugin is not installed", remedy="run `make setup`")
    return found


def plugin_folder() -> Path | None:
    return next((folder for folder in PLUGIN_FOLDERS if (folder / "libOrthancPython.so").exists()), None)


def require_free_ports(ports: Iterable[tuple[str, int]]) -> None:
    """Raises ConfigurationError for a port somebody else listens on."""
    for key, port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ConfigurationError(
                    f"{key}: port {port} is in use", remedy="choose another port"
                ) from None
