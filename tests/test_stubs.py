"""The typed stubs of the `orthanc` module against the module of a running Orthanc."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

STUB = Path(__file__).parents[1] / "typings" / "orthanc-python-stubs" / "orthanc-stubs" / "__init__.pyi"
PYTHON_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPython.so")

# Runs inside Orthanc: writes down what the module holds, and ends the server before it opens anything.
DUMP_SCRIPT = """
import json, orthanc, os
from pathlib import Path
module = {
    name: {member: isinstance(getattr(value, member), int) for member in dir(value)}
    for name, value in vars(orthanc).items()
}
Path(os.environ["MODULE_DUMP"]).write_text(json.dumps(module))
os._exit(0)
"""

Module = dict[str, dict[str, bool]]
"""Name in the module -> its members -> whether the member is an integer."""


def run_orthanc(folder: Path) -> Module:
    (folder / "dump_module.py").write_text(DUMP_SCRIPT)
    configuration = folder / "orthanc.json"
    configuration.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "HttpServerEnabled": False,
                "DicomServerEnabled": False,
                "Plugins": [str(PYTHON_PLUGIN)],
                "PythonScript": str(folder / "dump_module.py"),
            }
        )
    )
    orthanc = shutil.which("Orthanc", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    assert orthanc, "Orthanc is not installed; run: make setup"
    environment = os.environ | {"MODULE_DUMP": str(folder / "module.json")}
    command = [orthanc, str(configuration)]
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == 0, finished.stderr
    module: Module = json.loads((folder / "module.json").read_text())
    return module


@pytest.fixture(scope="session")
def running_module(tmp_path_factory: pytest.TempPathFactory) -> Module:
    return run_orthanc(tmp_path_factory.mktemp("orthanc"))


def stubbed_names() -> dict[str, list[str]]:
    """Public name -> names of its public members (of classes)."""
    statements = ast.parse(STUB.read_text()).body
    return {
        statement.name: [name for name in map(member_name, getattr(statement, "body", [])) if name]
        if isinstance(statement, ast.ClassDef)
        else []
        for statement in statements
        if isinstance(statement, ast.ClassDef | ast.FunctionDef) and not statement.name.startswith("_")
    }


def member_name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.FunctionDef(name=name):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def enumerations() -> set[str]:
    return {
        statement.name
        for statement in ast.parse(STUB.read_text()).body
        if isinstance(statement, ast.ClassDef)
        and any(isinstance(member, ast.AnnAssign) for member in statement.body)
    }


def test_every_stubbed_name_exists_in_the_running_module(running_module: Module) -> None:
    assert len(stubbed_names()) > 30
    assert sorted(stubbed_names().keys() - running_module.keys()) == []


def test_every_stubbed_member_exists_in_the_running_module(running_module: Module) -> None:
    missing = [
        f"{name}.{member}"
        for name, members in stubbed_names().items()
        for member in members
        if member not in running_module[name]
    ]
    assert missing == []


def test_enumeration_members_are_integers_at_run_time(running_module: Module) -> None:
    assert {"ChangeType", "ResourceType", "MetricsType"} <= enumerations()
    wrong = [
        f"{name}.{member}"
        for name in enumerations()
        for member in stubbed_names()[name]
        if not running_module[name].get(member)
    ]
    assert wrong == []


def test_stubs_are_installed_where_the_type_checker_looks() -> None:
    installed = Path(sysconfig.get_path("purelib")) / "orthanc-stubs" / "__init__.pyi"
    assert installed.read_text() == STUB.read_text(), "run: make setup"
