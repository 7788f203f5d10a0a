"""receive > route: a series that has been quiet long enough becomes jobs, or a reason why not.

The judgement, its explanation, the jobs and the end of the wait are written in one transaction; if an
instance came in meanwhile nothing is written and the series stays pending.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipelines.catalog import Catalog
from plugin.describe import Description, describe
from plugin.ledger import Job, Ledger
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.routing.route import route
from plugin.routing.rule import Rule
from plugin.settings import Settings
from plugin.submit import CompleteSeries, Queue

log = logging.getLogger(__name__)


class _CameMeanwhile(Exception):
    """An instance arrived while the series was being judged."""


@dataclass(frozen=True)
class Reception:
    """What judging a series needs."""

    orthanc: OrthancRest
    ledger: Ledger
    queue: Queue
    catalog: Catalog
    settings: Settings

    def take(self, series_orthanc_id: str, last_instance_at: float) -> list[Job]:
        """Judges one complete series; returns the new jobs."""
        try:
            description = describe(self.orthanc, series_orthanc_id)
        except Gone:
            with self.ledger.transaction() as connection:
                self.ledger.settle(connection, series_orthanc_id, last_instance_at)
            return []
        try:
            with self.ledger.transaction() as connection:
                if not self.ledger.settle(connection, series_orthanc_id, last_instance_at):
                    raise _CameMeanwhile
                return self._judge(connection, description)
        except _CameMeanwhile:
            return []

    def _judge(self, connection: sa.Connection, description: Description) -> list[Job]:
        if description.own_result:
            own = {"decisions": [], "summary": "a result of this node is never input"}
            self._explain(connection, description.series, own)
            return []
        outcome = route(description.facts, self.settings.rules)
        routing = dict(outcome.as_json())
        jobs = []
        fates = []
        for rule in outcome.chosen:
            job, new = self.queue.submit(
                connection, description.series, rule, self.catalog[rule.pipeline], again=False
            )
            fates.append({"rule": rule.name, "job": job.id, "new": new})
            if new:
                jobs.append(job)
        self._explain(connection, description.series, {**routing, "jobs": fates})
        return jobs

    def _explain(self, connection: sa.Connection, series: CompleteSeries, routing: dict[str, Any]) -> None:
        self.ledger.explain(
            connection,
            study_instance_uid=series.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
            content_sha256=series.content_sha256,
            summary=routing["summary"],
            routing=routing,
        )

    def run_now(self, series_orthanc_id: str, pipeline: str, *, again: bool) -> tuple[Job, bool]:
        """A job asked for by a person, past the rules; the earlier one if the content was already done."""
        description = describe(self.orthanc, series_orthanc_id)
        rule = requested_rule(self.settings, pipeline)
        with self.ledger.transaction() as connection:
            return self.queue.submit(
                connection, description.series, rule, self.catalog[pipeline], again=again
            )


def requested_rule(settings: Settings, pipeline: str) -> Rule:
    """What a request by hand means: handling as by the pipeline's rule, or by the defaults."""
    configured = next((rule for rule in settings.rules if rule.pipeline == pipeline), None)
    if configured is not None:
        return configured.model_copy(update={"name": f"requested ({configured.name})"})
    return Rule.model_validate({"Name": "requested", "When": {}, "Pipeline": pipeline})


def due(pending: dict[str, float], quiet_s: float, now: float) -> tuple[list[str], float]:
    """Series quiet for long enough, and the seconds until the next one may be."""
    ready = [series for series, last in pending.items() if now - last >= quiet_s]
    waits = [quiet_s - (now - last) for series, last in pending.items() if now - last < quiet_s]
    return ready, min(waits, default=float("inf"))
