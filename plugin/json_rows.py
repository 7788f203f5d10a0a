"""DBOS's rows as JSON: its default is pickle, and whoever can write a pickle can run code."""

from __future__ import annotations

import json
from typing import Any

from dbos import Serializer


class JsonRows(Serializer):
    """Plain values as JSON; an exception by its name and text."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_described)

    def deserialize(self, serialized_data: str) -> Any:
        value = json.loads(serialized_data)
        if isinstance(value, dict) and "exception" in value:
            return RuntimeError(value["exception"])
        return value

    def name(self) -> str:
        return "orthogen_json"


def _described(value: object) -> object:
    if isinstance(value, BaseException):
        return {"exception": f"{type(value).__name__}: {value}"}
    return str(value)
