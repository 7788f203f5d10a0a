"""Open pipelines kept from job to job, so that a session is made once."""

from __future__ import annotations

from pipelines.catalog import CatalogEntry
from pipelines.execution import Execution
from pipelines.pipeline import Pipeline, open_pipeline


class WarmPipelines:
    """The `most` pipelines used last, on one device. For use by one thread."""

    def __init__(self, execution: Execution, *, most: int = 4) -> None:
        self._execution = execution
        self._most = most
        self._open: dict[tuple[str, str, str], Pipeline] = {}

    def get(self, entry: CatalogEntry) -> Pipeline:
        """The open pipeline of exactly these models and settings; raises what `open_pipeline` raises."""
        key = (entry.manifest.name, entry.model_sha256, entry.config_sha256)
        pipeline = self._open.pop(key, None) or open_pipeline(entry, self._execution)
        self._open[key] = pipeline
        if len(self._open) > self._most:
            del self._open[next(iter(self._open))]
        return pipeline
