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
    gate_report: str | None
    """The same, of the page on how the gate came to its verdict; None where no result was judged."""

    @property
    def job(self) -> dict[str, Any] | None:
        return self.fate["jobs"][0] if self.fate["jobs"] else None

    @property
    def summary(self) -> str:
        """Of what was sent; results are judged too, when they arrive."""
        own = self.job["source_series_uid"] if self.job else None
        judged = self.fate["series"]
        return str(next((j for j in judged if j["series_instance_uid"] == own), judged[-1])["summary"])

    def row(self) -> tuple[str, ...]:
        job = self.job
        if job is None:
            return (self.name, "no rule matched", "-", "-", "-", f"{self.seconds:.1f}")
        series = ", ".join(job["result_series_uids"]) or "none"
        verdict = job["verdict"] or job["state"]
        return (self.name, job["rule"], job["pipeline"], series, verdict, f"{self.seconds:.1f}")
