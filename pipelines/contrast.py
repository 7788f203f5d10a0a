"""Names of MR contrasts, as manifests and results use them."""

from __future__ import annotations

from typing import Literal

Contrast = Literal["T1", "T1CE", "T2", "FLAIR", "PD"]
"""T1CE is T1 after an injected agent, FLAIR T2 with fluid suppressed, PD proton density."""
