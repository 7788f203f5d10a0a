"""The demonstration's report: one page with pictures, verdicts and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from plugin.demo.shown import Shown


def write_report(shown: Sequence[Shown], path: Path) -> None:
    """Writes one HTML file that needs nothing but the pictures beside it."""
    environment = Environment(loader=PackageLoader("plugin.demo", "pages"), autoescape=select_autoescape())
    page = environment.get_template("report.html").render(studies=shown)
    path.write_text(page, encoding="utf-8")
