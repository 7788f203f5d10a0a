"""The quality gate: is a result fit to be shown, judged without a reference, slice by slice."""

from pipelines.gate.gate import Gate
from pipelines.gate.pictures import Picture
from pipelines.gate.verdict import Finding, Level, Verdict

__all__ = ["Finding", "Gate", "Level", "Picture", "Verdict"]
