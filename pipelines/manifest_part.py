"""The manner of every part of a manifest: frozen, strict, PascalCase in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from pipelines.errors import PipelineBroken

Part = TypeVar("Part", bound=BaseModel)


class ManifestPart(BaseModel):
    """A piece of `pipeline.json`: keys in PascalCase, unknown keys refused, never changed once read."""

    model_config = ConfigDict(
        alias_generator=to_pascal,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the lower bound {bounds[0]:g} is above the upper bound {bounds[1]:g}")
    return bounds


def _plain_file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} must be the plain name of a file that lies in the pipeline's own folder")
    return name


Bounds = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Lowest and highest value allowed, both included."""

FileName = Annotated[str, AfterValidator(_plain_file_name)]
"""A file directly in the pipeline's folder: no path, so nothing outside it can be named."""


def read_part(file: Path, kind: type[Part], *, missing: str, faulty: str) -> Part:
    """A JSON file as `kind`; raises `PipelineBroken` with `missing` or `faulty` for its remedy."""
    try:
        return kind.model_validate_json(file.read_bytes())
    except OSError as error:
        raise PipelineBroken(f"{file} cannot be read ({error.strerror})", remedy=missing) from error
    except ValidationError as error:
        raise PipelineBroken(f"{file}: {first_fault(error)}", remedy=faulty) from error


def first_fault(error: ValidationError) -> str:
    """Where it lies, what is wrong, and what was found there."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{where}: {first['msg']} (found {_shortened(first['input'])})"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
