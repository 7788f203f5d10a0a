"""Logging to standard error, one line an event. No patient data: job ids, and UIDs where needed."""

from __future__ import annotations

import logging
import sys
import warnings


def log_to_stderr(process: str) -> None:
    """One line an event: the process, the level, the words."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"{process}: %(levelname)s %(message)s", force=True
    )
    # Their warnings quote values of damaged elements, which may be a patient's.
    warnings.filterwarnings("ignore", module="pydicom")
    for noisy in ("httpx", "urllib3", "uvicorn.access", "pydicom", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
