"""How a worker that was not started by the node reaches Orthanc."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

import urllib3
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from plugin.delivery.credentials import Secret, Tls, client_context, secret_text
from plugin.setting_model import SettingModel


class OrthancAccess(SettingModel):
    """Orthanc's REST API, as one of its `RegisteredUsers`."""

    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    """Of Orthanc's root, without a user in it."""
    user: str | None = None
    password: Secret | None = None
    tls: Tls | None = None
    """For https; without it the operating system's authorities are trusted."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise PydanticCustomError("credentials", "User and Password go together")
        return self

    def authorization(self, secret_folder: Path) -> str | None:
        """The HTTP header. Raises ConfigurationError if the password cannot be read."""
        if self.password is None:
            return None
        credentials = f"{self.user}:{secret_text(self.password, secret_folder)}"
        return urllib3.make_headers(basic_auth=credentials)["authorization"]

    def context(self) -> ssl.SSLContext | None:
        """None without https. Raises ConfigurationError if a certificate cannot be read."""
        return client_context(self.tls or Tls()) if self.url.startswith("https:") else None
