"""Tables of the model card."""

from __future__ import annotations


def markdown(header: list[str], lines: list[list[str]]) -> str:
    """A table."""
    rows = ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *lines]]
    return "\n".join(rows)
