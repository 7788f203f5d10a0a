"""What every group of settings has in common: frozen, keys in PascalCase, an unknown key is a mistake."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class SettingModel(BaseModel):
    """PascalCase in JSON, so that Orthanc's environment variables reach every key."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)
