"""The description of the interface, OpenAPI 3.1, made from the routes and the types they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import TypeAdapter

from plugin.answers import ErrorAnswer
from plugin.api_route import ApiRoute
from plugin.identity import node_version

OPENAPI = "3.1.0"
SCHEMA = "#/components/schemas/{model}"
REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
JSON = "application/json"
HEADER = {
    "name": "X-Orthogen",
    "in": "header",
    "required": True,
    "description": "Needed by every call that changes something: no cross-site form can send it.",
    "schema": {"const": "1"},
}

Mode = Literal["validation", "serialization"]
Key = tuple[int, str]
"""The route's number, and `body` or a status."""


def description(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """The document, as JSON."""
    named = list(_types(routes))
    made, definitions = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(kind)) for key, mode, kind in named], by_alias=True, ref_template=SCHEMA
    )
    schemas = {key: schema for (key, _), schema in made.items()}
    paths: dict[str, Any] = {}
    for number, route in enumerate(routes):
        paths.setdefault(route.address, {})[route.method.lower()] = _operation(number, route, schemas)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Orthogen",
            "version": node_version(),
            "description": "The generative-imaging node for Orthanc, under Orthanc's own authentication.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": _used(definitions.get("$defs", {}), paths)},
    }


def _used(definitions: Mapping[str, Any], by: Any) -> dict[str, Any]:
    """Those that something refers to, directly or not; pydantic leaves others, which refer to nothing."""
    found: dict[str, Any] = {}
    names = set(REFERENCE.findall(json.dumps(by)))
    while names:
        found |= {name: definitions[name] for name in names}
        names = set(REFERENCE.findall(json.dumps(found))) - found.keys()
    return dict(sorted(found.items()))


def _types(routes: Sequence[ApiRoute]) -> Iterator[tuple[Key, Mode, Any]]:
    """Every type that a route names, under the key by which its operation finds the schema."""
    yield (-1, "error"), "serialization", ErrorAnswer
    for number, route in enumerate(routes):
        if route.body is not None:
            yield (number, "body"), "validation", route.body
        for status, answer in {route.status: route.answer, **route.answers}.items():
            if not isinstance(answer, str):
                yield (number, str(status)), "serialization", answer


def _operation(number: int, route: ApiRoute, schemas: dict[Key, Any]) -> dict[str, Any]:
    summary = (route.handler.__doc__ or route.handler.__name__).strip().splitlines()[0].rstrip(".")
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": summary,
        "parameters": list(_parameters(route)),
        "responses": {},
    }
    if route.body is not None:
        taken = {JSON: {"schema": schemas[(number, "body")]}} | ({route.file: {}} if route.file else {})
        operation["requestBody"] = {"content": taken}
    for status, answer in {route.status: route.answer, **route.answers}.items():
        kind, schema = (answer, {}) if isinstance(answer, str) else (JSON, schemas[(number, str(status))])
        content = {kind: {"schema": schema} if schema else {}}
        operation["responses"][str(status)] = {"description": summary, "content": content}
    error = {"schema": schemas[(-1, "error")]}
    operation["responses"]["default"] = {"description": "It was refused", "content": {JSON: error}}
    return operation


def _parameters(route: ApiRoute) -> Iterator[dict[str, Any]]:
    text = {"type": "string"}
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": text}
    for name, words in route.query.items():
        yield {"name": name, "in": "query", "description": words, "schema": text}
    if route.changes:
        yield HEADER
