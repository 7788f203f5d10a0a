"""Destinations as people may see them: a secret is shown as `(hidden)`, and sent back so to keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.errors import ConfigurationError
from plugin.setting_problems import SECRETS

HIDDEN = "(hidden)"
ADDRESS = ("Type", "Url", "User", "Tls")
"""A secret is kept only for the address it was given for: nobody may send it elsewhere to read it."""


def hidden(written: Mapping[str, Any]) -> dict[str, Any]:
    """Destinations by name; files and variables that hold a secret are no secret."""
    return {name: hidden_one(one) for name, one in written.items()}


def hidden_one(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: HIDDEN if _is_secret(key, value) else value for key, value in one.items()}


def with_kept_secrets(written: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was hidden is what it was.

    Raises:
        ConfigurationError: there was no such secret, or the address has changed.
    """
    return {name: _kept(name, one, before.get(name, {})) for name, one in written.items()}


def _kept(name: str, one: Any, before: Mapping[str, Any]) -> Any:
    if not isinstance(one, Mapping) or not any(one.get(key) == HIDDEN for key in SECRETS):
        return one
    moved = [key for key in ADDRESS if one.get(key) != before.get(key)]
    for key in SECRETS:
        if one.get(key) == HIDDEN and (moved or not _is_secret(key, before.get(key))):
            why = f"{moved[0]} has changed" if moved else "there is none to keep"
            raise ConfigurationError(f"Destinations.{name}.{key}: {why}", remedy=f"give the {key} once more")
    return {key: before[key] if key in SECRETS and value == HIDDEN else value for key, value in one.items()}


def _is_secret(key: str, value: Any) -> bool:
    return key in SECRETS and isinstance(value, str)
