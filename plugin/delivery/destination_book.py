"""The destinations in force, and every set that was: changed through the API, the pages or the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from pipelines.errors import ConfigurationError
from plugin.delivery.destination import Destination
from plugin.delivery.hidden import hidden, with_kept_secrets
from plugin.routing.problems import Problem
from plugin.routing.versions import canonical
from plugin.settings import SECTION, read_settings, settings_problems
from plugin.tables import DESTINATION_SETS, FILE_RULES

Written = Mapping[str, Any]
"""Destinations by name, each as under `Destinations` in the configuration."""
FILE = "destinations"


@dataclass(frozen=True)
class DestinationSet:
    """One set that was, or is, in force."""

    number: int
    """From 1; the highest is in force. 0: there has been none."""
    author: str
    created: datetime
    comment: str
    text: str
    """As canonical JSON, secrets included: never shown."""

    @property
    def written(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @cached_property
    def destinations(self) -> Mapping[str, Destination]:
        return read_settings({"Destinations": self.written}).destinations

    def as_json(self) -> dict[str, Any]:
        """For people: without secrets."""
        return {
            "version": self.number,
            "author": self.author,
            "created": self.created.isoformat(),
            "comment": self.comment,
            "destinations": hidden(self.written),
        }


@dataclass(frozen=True)
class WantedDestinations:
    """What somebody wants the destinations to be."""

    written: Written
    author: str
    comment: str = ""
    based_on: int | None = None
    """The version the author had before their eyes."""


NONE_YET = DestinationSet(0, "", datetime.fromtimestamp(0).astimezone(), "", "{}")


class DestinationBook:
    """Sets in the database, so that the node, its sender and every node of a site see the same ones."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._in_force = NONE_YET

    def destinations(self) -> Mapping[str, Destination]:
        """Those in force, by name."""
        return self.in_force().destinations

    def in_force(self) -> DestinationSet:
        """Read anew only when its number has changed."""
        with self._engine.connect() as connection:
            number = connection.execute(sa.select(sa.func.max(DESTINATION_SETS.c.number))).scalar_one() or 0
        present = self._in_force
        if present.number != number:
            present = self._in_force = self.version(number)
        return present

    def history(self) -> list[DestinationSet]:
        """The latest first."""
        query = sa.select(DESTINATION_SETS).order_by(DESTINATION_SETS.c.number.desc())
        with self._engine.connect() as connection:
            return [_from_row(dict(row)) for row in connection.execute(query).mappings()]

    def version(self, number: int) -> DestinationSet:
        """Raises ConfigurationError where there is none of that number."""
        query = sa.select(DESTINATION_SETS).where(DESTINATION_SETS.c.number == number)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise ConfigurationError(
                f"there is no version {number} of the destinations", remedy="GET /destinations/versions"
            )
        return _from_row(dict(row))

    def change(self, wanted: WantedDestinations) -> list[Problem]:
        """Puts a set in force if nothing speaks against it; returns what does.

        Raises:
            ConfigurationError: another change came into force since the author looked, or a hidden secret
                is to be kept that is not known for this address.
        """
        present = self.in_force()
        if wanted.based_on is not None and wanted.based_on != present.number:
            raise ConfigurationError(
                f"the change is based on version {wanted.based_on}, but version {present.number} of "
                f"{present.author} is in force",
                remedy="load the destinations in force and make the change again",
            )
        written = with_kept_secrets(wanted.written, present.written)
        problems = self.problems_of(written)
        if not problems and canonical(written) != canonical(present.written):
            self._insert(present.number + 1, wanted, canonical(written))
        return problems

    def problems_of(self, written: Written) -> list[Problem]:
        """What speaks against a set; paths begin with `Destinations`.

        Raises:
            ConfigurationError: a hidden secret is to be kept that is not known for this address.
        """
        kept = with_kept_secrets(written, self.in_force().written)
        found = settings_problems({"Destinations": kept})
        return [Problem(one.path.removeprefix(f"{SECTION}."), one.what, one.allowed) for one in found]

    # the configuration file

    def is_news(self, written: Written) -> bool:
        """Whether the file's destinations are not those already taken in from it."""
        query = sa.select(FILE_RULES.c.sha256).where(FILE_RULES.c.name == FILE)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none() != _digest(written)

    def note_file(self, written: Written) -> None:
        """They are taken in: a restart must not undo what is changed from here on."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(FILE_RULES).where(FILE_RULES.c.name == FILE))
            connection.execute(sa.insert(FILE_RULES).values(name=FILE, sha256=_digest(written)))

    def _insert(self, number: int, wanted: WantedDestinations, text: str) -> None:
        row = {"author": wanted.author, "comment": wanted.comment, "destinations_text": text}
        created = datetime.now().timestamp()
        with self._engine.begin() as connection:
            connection.execute(sa.insert(DESTINATION_SETS).values(number=number, created=created, **row))


def _digest(written: Written) -> str:
    return hashlib.sha256(canonical(written).encode()).hexdigest()


def _from_row(row: Mapping[str, Any]) -> DestinationSet:
    created = datetime.fromtimestamp(row["created"]).astimezone()
    return DestinationSet(row["number"], row["author"], created, row["comment"], row["destinations_text"])
