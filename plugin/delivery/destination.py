"""What is configured about a destination: how it is reached, when, and what it gets when a study returns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from plugin.delivery.credentials import Secret, Tls
from plugin.routing.schedule import Schedule
from plugin.setting_model import SettingModel

AeTitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=16)]


def _one_or_several(source: Any) -> Any:
    return (source,) if isinstance(source, Mapping | Schedule) else source


class _AnyDestination(SettingModel):
    """What all kinds share."""

    timeout_seconds: float = Field(30.0, ge=0.5, le=3600)
    """Longest wait for a connection, and for the answer to an image, its transfer included."""
    give_up_after_hours: float = Field(72.0, gt=0, le=8760)
    """How long a delivery is tried before it is failed. Three days, so that a weekend is no loss."""
    schedule: Annotated[tuple[Schedule, ...], BeforeValidator(_one_or_several)] = ()
    """When deliveries may start; at any time if none is named."""
    when_study_returns: Literal["NEVER", "ALWAYS", "REPLACE"] = "REPLACE"
    """What it gets of images that it has confirmed for an earlier job: nothing, all, or what differs."""

    def opens(self, moment: datetime) -> datetime:
        """The earliest time, not before `moment` (local, without zone), at which a delivery may start."""
        return min((window.start(moment) for window in self.schedule), default=moment)


class DicomDestination(_AnyDestination):
    """C-STORE (PS3.4 annex B)."""

    type: Literal["dicom"] = "dicom"
    aet: AeTitle
    """Application Entity Title of the receiver, at most 16 characters (PS3.5 6.2)."""
    host: str
    port: int = Field(ge=1, le=65535)
    tls: Tls | None = None
    """With it the association is over TLS (PS3.15 B.12)."""
    storage_commitment: bool = False
    """Delivered then means that the receiver has taken over the responsibility (PS3.4 J)."""
    commitment_within_seconds: float = Field(4 * 3600.0, ge=1, le=604_800)
    """Without a report by then, commitment is asked for again."""
    associations: int = Field(1, ge=1, le=16)
    """Deliveries to it at once, each over an association of its own."""

    @property
    def at_once(self) -> int:
        return self.associations

    @property
    def address(self) -> str:
        return f"{self.aet} at {self.host}:{self.port}"

    @property
    def confirms_later(self) -> bool:
        """Whether more than the answer to each image is waited for."""
        return self.storage_commitment


class _HttpDestination(_AnyDestination):
    url: str = Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$")
    """Of the service, without a user in it."""
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    """Sent as `Authorization: Bearer`."""
    tls: Tls | None = None
    """For https; without it the operating system's authorities are trusted."""
    connections: int = Field(1, ge=1, le=16)
    """Deliveries to it at once."""

    @property
    def at_once(self) -> int:
        return self.connections

    @property
    def address(self) -> str:
        return self.url

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.token is not None and self.password is not None:
            raise PydanticCustomError("credentials", "Token and Password exclude each other")
        if (self.user is None) != (self.password is None):
            raise PydanticCustomError("credentials", "User and Password go together")
        if self.tls is not None and not self.is_https:
            raise PydanticCustomError("credentials", "Tls needs a Url that begins with https://")
        return self

    @property
    def is_https(self) -> bool:
        return urlsplit(self.url).scheme == "https"


class DicomwebDestination(_HttpDestination):
    """STOW-RS (PS3.18 10.5); `url` is the base that `/studies` follows."""

    type: Literal["dicomweb"]

    @property
    def confirms_later(self) -> bool:
        return False


class OrthancDestination(_HttpDestination):
    """Another Orthanc, by its own REST interface; `url` is its root."""

    type: Literal["orthanc"]

    @property
    def confirms_later(self) -> bool:
        """Each image is looked up there."""
        return True


HttpDestination = DicomwebDestination | OrthancDestination


def _kind(source: Any) -> Any:
    return source.get("Type", "dicom") if isinstance(source, Mapping) else getattr(source, "type", None)


Destination = Annotated[
    Annotated[DicomDestination, Tag("dicom")]
    | Annotated[DicomwebDestination, Tag("dicomweb")]
    | Annotated[OrthancDestination, Tag("orthanc")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="its Type is not known",
    ),
]
"""Told apart by `Type`."""
DESTINATION_KINDS: Mapping[str, type[SettingModel]] = {
    "dicom": DicomDestination,
    "dicomweb": DicomwebDestination,
    "orthanc": OrthancDestination,
}
DestinationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w .-]{0,63}$")]
"""Stands in addresses, queues and reasons."""
