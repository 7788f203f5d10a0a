"""One page with pictures: what the gate measured on a study, and how it came to its verdict."""

from plugin.gate_report.page import gate_report

__all__ = ["gate_report"]
