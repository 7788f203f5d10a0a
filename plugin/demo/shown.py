"""What came of one study of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plugin.demo.examine import Examination

HEADINGS = ("study", "rule", "pipeline", "result series", "verdict", "seconds")


@dataclass(frozen=True)
class Shown:
    """What came of one study, for the table and the report."""

    name: str
    instances_sent: int
    fate: dict[str, Any]
    seconds: float
    examination: Examination | None
    triptych: str | None
    """File name beside the report."""

    @property
    def job(self) -> dict[str, Any] | None:
        return self.fate["jobs"][0] if self.fate["jobs"] else None

    @property
    def summary(self) -> str:
        return str(self.fate["series"][-1]["summary"])

    def row(self) -> tuple[str, ...]:
        job = self.job
        if job is None:
            return (self.name, "no rule matched", "-", "-", "-", f"{self.seconds:.1f}")
        series = ", ".join(job["result_series_uids"]) or "none"
        verdict = job["verdict"] or job["state"]
        return (self.name, job["rule"], job["pipeline"], series, verdict, f"{self.seconds:.1f}")
