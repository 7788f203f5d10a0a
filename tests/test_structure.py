"""The plan of the house, read off the sources: who imports whom, how large things get, what is documented."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
PACKAGES = ("plugin", "pipelines", "dicom_templates")
PROGRAMS = ("training", "bench", "demo")
NOT_OURS = {".git", ".venv", "build", "var", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}

MODULE_LINES = 350
FUNCTION_LINES = 60
COPIED_STATEMENTS = 5
"""So many statements, twice the same to the letter, are a copy and no coincidence."""

MUST_NOT_IMPORT = {
    "pipelines": {"pydicom", "highdicom", "pynetdicom", "orthanc", "plugin", "dicom_templates"},
    "dicom_templates": {"plugin", "orthanc", "onnxruntime", "onnx", "dbos", "starlette", "httpx"},
    "plugin.routing": {"orthanc", "dbos", "httpx", "starlette", "dicom_templates"},
}
VAGUE = {"util", "utils", "helper", "helpers", "manager", "common", "misc", "data", "info"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(tree: ast.Module, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Absolute dotted names of all that is imported, inside functions too; `a.b` for `from a import b`."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def imports_in(path: Path) -> set[str]:
    return set(imports_of(tree_of(path), module_name(path), is_package=path.name == "__init__.py"))


def under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def module_graph() -> dict[str, set[str]]:
    """Module -> our modules that it imports."""
    paths = {module_name(path): path for path in sources(*PACKAGES)}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        named = {name if name in paths else name.rpartition(".")[0] for name in imports_in(path)}
        graph[module] = (named & paths.keys()) - {module}
    return graph


def cycle_in(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def functions_in(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def statement_count(statements: list[ast.stmt]) -> int:
    return sum(isinstance(node, ast.stmt) for statement in statements for node in ast.walk(statement))


@pytest.mark.parametrize("package", MUST_NOT_IMPORT)
def test_package_imports_nothing_from_above_it(package: str) -> None:
    paths = sources(package.replace(".", "/"))
    assert paths
    broken = [
        f"{module_name(path)} imports {name}"
        for path in paths
        for name in imports_in(path)
        if any(under(name, forbidden) for forbidden in MUST_NOT_IMPORT[package])
    ]
    assert broken == []


def test_routing_imports_no_other_part_of_the_plugin() -> None:
    broken = [
        f"{module_name(path)} imports {name}"
        for path in sources("plugin/routing")
        for name in imports_in(path)
        if under(name, "plugin") and not under(name, "plugin.routing")
    ]
    assert broken == []


def test_the_door_imports_only_the_standard_library_orthanc_and_itself() -> None:
    allowed = sys.stdlib_module_names | {"orthanc"}
    broken = [
        f"{module_name(path)} imports {name}"
        for path in sources("plugin/door")
        for name in imports_in(path)
        if name.partition(".")[0] not in allowed and not under(name, "plugin.door")
    ]
    assert broken == []


def test_every_imported_library_is_a_declared_dependency() -> None:
    declared = declared_distributions("dependencies", "cpu")
    providers = packages_distributions()
    roots = {name.partition(".")[0] for path in sources(*PACKAGES) for name in imports_in(path)}
    foreign = roots - sys.stdlib_module_names - set(PACKAGES) - {"orthanc"}
    undeclared = {
        root for root in foreign if not {canonical(name) for name in providers.get(root, ())} & declared
    }
    assert undeclared == set()


def test_the_lock_file_covers_every_declared_dependency() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    locked = {canonical(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    assert declared_distributions("dependencies", "cpu", "dev") - locked == set(), "run: make lock"


def declared_distributions(*groups: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    return {canonical(re.split(r"[^\w.-]", entry)[0]) for group in groups for entry in lists[group]}


def canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_exactly_one_module_imports_orthanc() -> None:
    importers = [
        module_name(path)
        for path in sources(*PACKAGES, *PROGRAMS)
        if any(under(name, "orthanc") for name in imports_in(path))
    ]
    assert importers == ["plugin.door.main"]


def test_no_module_takes_part_in_an_import_cycle() -> None:
    cycle = cycle_in(module_graph())
    assert not cycle, " <- ".join(cycle)


def test_nothing_where_orthanc_looks_hides_a_standard_library_module() -> None:
    # Orthanc puts the door's folder first on sys.path, and imports the script by its bare name.
    seen = [*(ROOT / "plugin").iterdir(), *(ROOT / "plugin" / "door").iterdir()]
    names = {path.stem for path in seen if path.suffix == ".py" or path.is_dir()}
    assert names & (sys.stdlib_module_names | {"orthanc", "plugin"}) == set()


def test_file_names_say_what_is_inside() -> None:
    files = [path.relative_to(ROOT) for path in sources(*PACKAGES, *PROGRAMS, "tests")]
    vague = [
        str(path) for path in files for part in path.with_suffix("").parts if VAGUE & set(part.split("_"))
    ]
    assert vague == []


def test_modules_stay_small() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in sources(*PACKAGES, *PROGRAMS, "tests")}
    assert {str(path): count for path, count in lines.items() if count > MODULE_LINES} == {}


def test_functions_stay_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in sources(*PACKAGES, *PROGRAMS, "tests")
        for function in functions_in(path)
        if (function.end_lineno or function.lineno) - function.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


def test_no_function_is_a_copy_of_another() -> None:
    first_seen: dict[str, str] = {}
    copies = []
    for path in sources(*PACKAGES, *PROGRAMS):
        for function in functions_in(path):
            body = body_without_docstring(function)
            if statement_count(body) < COPIED_STATEMENTS:
                continue
            place = f"{module_name(path)}.{function.name}"
            original = first_seen.setdefault("".join(map(ast.dump, body)), place)
            if original != place:
                copies.append(f"{place} copies {original}")
    assert copies == []


SETTINGS = ("plugin.settings", "plugin.delivery.destination", "plugin.delivery.credentials")


def setting_keys() -> list[str]:
    models = [
        value
        for module in map(import_module, SETTINGS)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ in SETTINGS
    ]
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert setting_keys()
    assert [key for key in setting_keys() if f"`{key}`" not in page] == []


def text_files() -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith(".egg-info")]
        for path in (Path(folder, name) for name in names):
            try:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


# In pieces, so that this file does not name them either.
PRIVATE_PLACES = re.compile(
    "|".join(
        [
            r"(?<![\w.~-])/wo" + r"rk/(main|shared|\.)",
            r"/opt/(py" + "pi|wh" + "eels)",
            r"/tmp/br" + "ief",
            r"/root/\.",
            r"\bpy" + r"pi\.(org|python)",
            "pythonho" + "sted",
            "npm" + r"js\.(org|com)",
            r"(deb|security)\.deb" + r"ian\.org",
            "proxy.gol" + "ang",
        ]
    )
)


def test_no_file_names_a_private_path_or_a_package_host() -> None:
    named = [f"{path}: {found[0]}" for path, text in text_files() if (found := PRIVATE_PLACES.search(text))]
    assert named == []


def test_detector_sees_relative_deferred_and_plain_imports() -> None:
    tree = ast.parse("import os.path\nfrom . import b\ndef f():\n    from ..pipelines.volume import Volume\n")
    assert set(imports_of(tree, "plugin.door.a")) == {
        "os.path",
        "plugin.door.b",
        "plugin.pipelines.volume.Volume",
    }
    assert set(imports_of(ast.parse("from .b import c"), "plugin.door", is_package=True)) == {
        "plugin.door.b.c"
    }


def test_detector_sees_a_cycle() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_detector_sees_private_places() -> None:
    assert PRIVATE_PLACES.search("see /wo" + "rk/main/docs")
    assert not PRIVATE_PLACES.search("see our/wo" + "rk/mainly and /opt/orthogen")
