"""The configuration file: rules and destinations changed there come into force without a restart."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import ConfigurationError
from plugin.delivery.destination_book import DestinationBook, WantedDestinations
from plugin.rule_book import RuleBook
from plugin.settings import SECTION, read_configuration

log = logging.getLogger(__name__)


def section_in_file(path: Path) -> Mapping[str, Any]:
    """The node's section of the configuration file.

    Raises:
        ConfigurationError: it cannot be read, or its section is no object.
    """
    section = read_configuration(path).get(SECTION, {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"{SECTION} is no object", remedy="see docs/configuration.md")
    return section


@dataclass(frozen=True)
class Books:
    """What is in force, wherever it came from."""

    rules: RuleBook
    destinations: DestinationBook

    def take_in(self, section: Mapping[str, Any], file: str) -> None:
        """What the file says anew; a bad change is logged, and what was in force stays.

        New destinations come before the rules that name them, removed ones go after the rules that did.
        """
        written = section.get("Destinations", {})
        is_news = self.destinations.is_news(written)
        if is_news and not self._change({**self.destinations.in_force().written, **written}, file):
            return
        self._take_in_rules(section.get("Rules", []), file)
        if not is_news:
            return
        if needed := self._needed_beside(written):
            log.warning("%s: a rule in force sends to %s: it stays", file, ", ".join(sorted(needed)))
        elif self._change(written, file):
            self.destinations.note_file(written)

    def _change(self, written: Mapping[str, Any], file: str) -> bool:
        before = self.destinations.in_force().number
        problems = self.destinations.change(WantedDestinations(written, f"file {file}"))
        for problem in problems:
            log.warning("%s: %s.%s", file, SECTION, problem)
        if (after := self.destinations.in_force().number) != before:
            log.info("destinations version %d is in force, from %s", after, file)
        return not problems

    def _take_in_rules(self, rules: Any, file: str) -> None:
        proposal = self.rules.take_in_file(rules, file)
        if proposal is None:
            return
        for problem in proposal.problems:
            log.warning("%s: %s", file, problem.under(SECTION))
        if proposal.version is not None:
            log.info("rules version %d is in force, from %s", proposal.version.number, file)

    def _needed_beside(self, written: Mapping[str, Any]) -> set[str]:
        return {name for rule in self.rules.rules() for name in rule.send_to} - set(written)


class ConfigurationFile:
    """One file, watched, or nothing to watch."""

    def __init__(self, path: str, books: Books) -> None:
        self._path = Path(path) if path else None
        self._books = books
        self._seen = self._stamp()

    def look(self) -> None:
        """Takes in what has changed."""
        stamp = self._stamp()
        if stamp is None or stamp == self._seen or self._path is None:
            return
        self._seen = stamp
        try:
            self._books.take_in(section_in_file(self._path), self._path.name)
        except ConfigurationError as error:
            log.warning("the changed configuration is not taken in: %s", error)

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None or not self._path.is_file():
            return None
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size
