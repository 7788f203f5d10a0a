"""The rules in force, and every set that was: changed through the API or the file, never by a bad change."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.catalog import Catalog
from pipelines.manifest import Manifest
from plugin.delivery.destination_book import DestinationBook
from plugin.routing.rule import Rule
from plugin.routing.versions import Proposal, RuleSetVersion, canonical, earlier_version, propose
from plugin.tables import FILE_RULES, RULE_SETS

FILE = "file"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """What somebody wants the rules to be."""

    rules_json: Any
    author: str
    comment: str = ""
    based_on: int | None = None
    """The version the author had before their eyes."""


class RuleBook:
    """Rule sets in the database, so that every node of a site sees the same ones."""

    def __init__(self, engine: sa.Engine, catalog: Catalog, destinations: DestinationBook) -> None:
        self._engine = engine
        self._catalog = catalog
        self._destinations = destinations
        self._in_force: RuleSetVersion | None = None
        self._rules: tuple[Rule, ...] = ()

    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, read anew only when their number has changed."""
        with self._engine.connect() as connection:
            number = connection.execute(sa.select(sa.func.max(RULE_SETS.c.number))).scalar_one()
        if number is not None and (self._in_force is None or self._in_force.number != number):
            self._in_force = self.version(number)
            self._rules = self._in_force.rules
        return self._rules

    def in_force(self) -> RuleSetVersion | None:
        self.rules()
        return self._in_force

    def history(self) -> list[RuleSetVersion]:
        """Oldest first."""
        with self._engine.connect() as connection:
            return _history(connection)

    def version(self, number: int) -> RuleSetVersion:
        """Raises ConfigurationError where there is none of that number."""
        return earlier_version(self.history(), number)

    def change(self, wanted: Change) -> Proposal:
        """Puts a rule set in force, if nothing speaks against it; the proposal says what does.

        Raises:
            ConfigurationError: another change came into force since the author looked.
        """
        with self._engine.begin() as connection:
            proposal = propose(
                _history(connection),
                wanted.rules_json,
                author=wanted.author,
                created=datetime.now().astimezone(),
                pipelines=self._manifests(),
                destinations=list(self._destinations.destinations()),
                comment=wanted.comment,
                based_on=wanted.based_on,
            )
            if proposal.version is not None:
                _insert(connection, proposal.version)
        return proposal

    def roll_back(self, number: int, author: str) -> Proposal:
        """An earlier version's rules once more, as a new version."""
        earlier = self.version(number)
        return self.change(Change(earlier.rules_json, author, f"back to version {number}"))

    def take_in_file(self, rules_json: Any, file: str) -> Proposal | None:
        """The rules of the configuration file, if they are not those already taken in from it."""
        digest = hashlib.sha256(canonical(rules_json).encode()).hexdigest()
        with self._engine.connect() as connection:
            query = sa.select(FILE_RULES.c.sha256).where(FILE_RULES.c.name == FILE)
            known = connection.execute(query).scalar_one_or_none()
        if known == digest:
            return None
        proposal = self.change(Change(rules_json, f"file {file}"))
        if not any(problem.severity == "error" for problem in proposal.problems):
            with self._engine.begin() as connection:
                connection.execute(sa.delete(FILE_RULES).where(FILE_RULES.c.name == FILE))
                connection.execute(sa.insert(FILE_RULES).values(name=FILE, sha256=digest))
        return proposal

    def _manifests(self) -> Mapping[str, Manifest]:
        return {entry.manifest.name: entry.manifest for entry in self._catalog}


def _history(connection: sa.Connection) -> list[RuleSetVersion]:
    rows = connection.execute(sa.select(RULE_SETS).order_by(RULE_SETS.c.number)).mappings()
    return [
        RuleSetVersion(
            row["number"],
            row["author"],
            datetime.fromtimestamp(row["created"]).astimezone(),
            row["comment"],
            row["rules_text"],
        )
        for row in rows
    ]


def _insert(connection: sa.Connection, version: RuleSetVersion) -> None:
    connection.execute(
        sa.insert(RULE_SETS).values(
            number=version.number,
            author=version.author,
            created=version.created.timestamp(),
            comment=version.comment,
            rules_text=version.rules_text,
        )
    )
