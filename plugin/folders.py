"""Where the node keeps what is not in a database, below the storage folder; readable by its user only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """Each holds one folder per job, but for the key."""

    state: Path

    @property
    def held(self) -> Path:
        """Results that the gate holds, until a person releases or rejects them."""
        return self.state / "held"

    @property
    def shadow(self) -> Path:
        """Results of shadow rules, for comparison."""
        return self.state / "shadow"

    @property
    def quarantine(self) -> Path:
        """Instances that broke a rule of the standard or of ours, with the report."""
        return self.state / "quarantine"

    @property
    def kept_aside(self) -> tuple[Path, ...]:
        """The folders that hold one folder per job."""
        return (self.held, self.shadow, self.quarantine)

    @property
    def locks(self) -> Path:
        """Files that processes of this machine lock, on SQLite."""
        return self.state / "locks"

    @property
    def signing_key(self) -> Path:
        return self.state / "signing-key.json"
