"""Watches the configuration file: rules changed there come into force without a restart."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pipelines.errors import ConfigurationError
from plugin.rule_book import RuleBook
from plugin.settings import SECTION, read_configuration

log = logging.getLogger(__name__)


def rules_in_file(path: Path) -> Any:
    """The rules of the configuration file.

    Raises:
        ConfigurationError: it cannot be read, or its section is no object.
    """
    section = read_configuration(path).get(SECTION, {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"{SECTION} is no object", remedy="see docs/configuration.md")
    return section.get("Rules", [])


class RulesFile:
    """One file, or nothing to watch."""

    def __init__(self, path: str, rule_book: RuleBook) -> None:
        self._path = Path(path) if path else None
        self._rule_book = rule_book
        self._seen = self._stamp()

    def look(self) -> None:
        """Takes changed rules in; a bad change is logged, and what was in force stays."""
        stamp = self._stamp()
        if stamp is None or stamp == self._seen or self._path is None:
            return
        self._seen = stamp
        try:
            proposal = self._rule_book.take_in_file(rules_in_file(self._path), self._path.name)
        except ConfigurationError as error:
            log.warning("the changed configuration is not taken in: %s", error)
            return
        if proposal is None:
            return
        for problem in proposal.problems:
            log.warning("%s: %s", self._path.name, problem.under(SECTION))
        if proposal.version is not None:
            log.info("rules version %d is in force, from %s", proposal.version.number, self._path.name)

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None or not self._path.is_file():
            return None
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size
