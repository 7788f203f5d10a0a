"""Passwords, tokens and keys of destinations: what they may be, and where they come from."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, SecretStr, Tag, model_validator
from pydantic_core import PydanticCustomError

from pipelines.errors import ConfigurationError
from plugin.setting_model import SettingModel


class SecretReference(SettingModel):
    """A secret that is not in the configuration: in a file, or in the environment."""

    file: str | None = Field(None, pattern=r"^[\w-][\w.-]*$")
    """Name of a file in the folder `SecretFolder`; a folder of its own, because whoever may change
    destinations must not read other files by sending them as a password."""
    variable: str | None = Field(None, pattern=r"^ORTHOGEN_\w+$")
    """Name of an environment variable of the node."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.file is None) == (self.variable is None):
            raise PydanticCustomError("secret", "one of File and Variable must be named")
        return self


def _form(source: Any) -> str:
    return "reference" if isinstance(source, Mapping | SecretReference) else "text"


Secret = Annotated[
    Annotated[SecretStr, Tag("text")] | Annotated[SecretReference, Tag("reference")], Discriminator(_form)
]


class Tls(SettingModel):
    """Paths of PEM files, readable by Orthanc's user."""

    trusted_certificates: str | None = None
    """Certificates of the authorities to trust; without it those of the operating system."""
    certificate: str | None = None
    """This node's own, for destinations that ask who calls."""
    private_key: str | None = None
    """The key of `certificate`, unless it is in the same file."""
    check_host_name: bool = True
    """The destination's certificate must name its host. DICOM devices often have one that does not."""
    verify: bool = True
    """False trusts any certificate: only for tests."""


def client_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or later, as BCP 195 wants (PS3.15 B.12).

    Raises:
        ConfigurationError: a file cannot be read, or holds no certificate or key.
    """
    context = _context(ssl.Purpose.SERVER_AUTH, tls)
    context.check_hostname = tls.verify and tls.check_host_name
    if not tls.verify:
        context.verify_mode = ssl.CERT_NONE
    return context


def server_context(tls: Tls) -> ssl.SSLContext:
    """For those who call us; with `TrustedCertificates` each must have one of these authorities.

    Raises:
        ConfigurationError: there is no certificate, or a file cannot be read.
    """
    if tls.certificate is None:
        raise ConfigurationError("CommitmentTls: Certificate is missing", remedy="name a PEM file")
    context = _context(ssl.Purpose.CLIENT_AUTH, tls)
    context.verify_mode = ssl.CERT_REQUIRED if tls.trusted_certificates else ssl.CERT_NONE
    return context


def _context(purpose: ssl.Purpose, tls: Tls) -> ssl.SSLContext:
    path = tls.trusted_certificates
    try:
        context = ssl.create_default_context(purpose, cafile=path)
        path = tls.certificate
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.private_key)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or "no certificate or key in it"
        raise ConfigurationError(
            f"Tls: {path} cannot be used ({why})", remedy="name a PEM file that Orthanc's user can read"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def secret_text(secret: Secret, folder: Path) -> str:
    """The secret itself, read anew at each call, because tokens change.

    Raises:
        ConfigurationError: its file or variable is not there; the text names that, never a secret.
    """
    if isinstance(secret, SecretStr):
        return secret.get_secret_value()
    if secret.variable is not None:
        found = os.environ.get(secret.variable)
        if found is None:
            raise ConfigurationError(
                f"the environment variable {secret.variable} is not set", remedy="set it for Orthanc"
            )
        return found
    path = folder / (secret.file or "")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"the secret {path} cannot be read ({error.strerror})", remedy="let Orthanc's user read it"
        ) from error
