"""receive > route: a series that is complete becomes jobs, or a reason why not.

What is decided on a series is written in one transaction: the explanation, the jobs, the end of the watch. If
an instance came in meanwhile nothing is written, and the series is looked at again later.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines.catalog import Catalog, CatalogEntry
from pipelines.manifest import Manifest
from plugin.describe import Description, InputGone, describe, further_series
from plugin.ledger import Job, Ledger
from plugin.orthanc_rest import Gone, OrthancRest
from plugin.routing.completeness import CompletenessRules, completeness, policy_for
from plugin.routing.facts import SeriesFacts
from plugin.routing.guards import WINDOW, Admission, check_hops, check_rate, source_of
from plugin.routing.orders import Order, limits_of, orders
from plugin.routing.route import route
from plugin.routing.rule import Rule
from plugin.routing.verdict import Routing
from plugin.rule_book import RuleBook
from plugin.settings import Settings
from plugin.submit import CompleteSeries, Queue, entry_of, job_key
from plugin.tables import TRAFFIC
from plugin.traffic import admitted_times, forget, known_series, record
from plugin.watch import Watched, judge_alone, look_again, look_at_the_rest, settle

OWN_RESULT = "a result of this node is never input"
EXPECTED_COUNT_LOOK_S = 0.2
STORM = "storm guard: "

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A job to be: its order, and the series it takes."""

    order: Order
    entry: CatalogEntry
    """The order's pipeline, with the limits of its gate."""
    series: CompleteSeries
    again: bool
    """The same content was done before, and its result is gone."""


class CameMeanwhile(Exception):
    """An instance arrived while the series was being judged; nothing is written."""


@dataclass(frozen=True)
class Reception:
    """What judging a series needs."""

    orthanc: OrthancRest
    ledger: Ledger
    queue: Queue
    catalog: Catalog
    settings: Settings
    rule_book: RuleBook

    def first_look_s(self) -> float:
        """How soon after its last instance a series may be complete, by the shortest of all policies."""
        rules = self.rule_book.rules()
        policies = [self.completeness.default, *self.completeness.sources]
        policies += [rule.completeness for rule in rules if rule.completeness]
        if any(policy.expected_count for policy in policies):
            return EXPECTED_COUNT_LOOK_S
        return min(policy.quiet_seconds for policy in policies)

    @property
    def completeness(self) -> CompletenessRules:
        return self.settings.completeness_rules

    def look(self, watched: Watched) -> list[Job]:
        """Judges one watched series as it is now; returns the new jobs."""
        rules = self.rule_book.rules()
        try:
            description = describe(self.orthanc, watched.series_orthanc_id, rules)
        except Gone:
            with self.ledger.transaction() as connection:
                settle(connection, watched)
            return []
        watched = replace(watched, study_instance_uid=description.series.study_instance_uid)
        try:
            with self.ledger.transaction() as connection:
                return self._judge(connection, watched, description, rules)
        except CameMeanwhile:
            return []
        except InputGone as gone:
            with self.ledger.transaction() as connection:
                forget(connection, TRAFFIC.c.series_instance_uid == gone.series_instance_uid)
            return []

    def _judge(
        self, connection: sa.Connection, watched: Watched, description: Description, rules: Sequence[Rule]
    ) -> list[Job]:
        judge_alone(connection, description.series.study_instance_uid)
        now = datetime.now().astimezone()
        written_here = self.ledger.job_of_result(description.series.series_instance_uid) is not None
        loop = check_hops(max(description.hops, int(written_here)), self.settings.guards)
        if not loop.admitted:
            self._explain(
                connection, description, {"decisions": [], "summary": f"{OWN_RESULT}: {loop.reason}"}
            )
            return self._end(connection, watched, [])
        study = known_series(connection, description.series.study_instance_uid)
        if watched.stage == "arriving":
            not_yet = self._not_complete(watched, description.facts, study, rules, now)
            not_yet = not_yet or self._too_many(connection, watched, description, now)
            if not_yet is not None:
                require(look_again(connection, not_yet))
                return []
        facts = as_recorded(description.facts, study) if watched.stage == "waiting" else description.facts
        routing = route(facts, rules, study, now=now)
        planned = self._planned(connection, description, routing)  # asks Orthanc: before the first write
        if watched.stage == "arriving":
            record(connection, description.facts, watched.series_orthanc_id)
            look_at_the_rest(connection, description.series.study_instance_uid, at=now.timestamp())
        return self._route(connection, watched, description, routing, planned)

    def _not_complete(
        self,
        watched: Watched,
        facts: SeriesFacts,
        study: Sequence[SeriesFacts],
        rules: Sequence[Rule],
        now: datetime,
    ) -> Watched | None:
        policy = policy_for(facts, rules, self.completeness)
        last = datetime.fromtimestamp(watched.last_instance_at).astimezone()
        state = completeness(policy, facts, last_instance=last, now=now, study=study)
        if state.complete or state.look_again is None:
            return None
        return replace(watched, look_at=state.look_again.timestamp(), reason=state.reason)

    def _too_many(
        self, connection: sa.Connection, watched: Watched, description: Description, now: datetime
    ) -> Watched | None:
        admission = self._admission(connection, description.facts, now)
        if admission.admitted or admission.retry is None:
            return None
        log.warning("storm guard: %s", admission.reason)
        if not watched.reason.startswith(STORM):
            routing = {"decisions": [], "summary": admission.reason}
            self._explain(connection, description, routing)
        return replace(watched, look_at=admission.retry.timestamp(), reason=f"{STORM}{admission.reason}")

    def _admission(self, connection: sa.Connection, facts: SeriesFacts, now: datetime) -> Admission:
        source = source_of(facts)
        window_s = WINDOW.total_seconds()
        admitted = admitted_times(connection, source, now.timestamp() - window_s)
        return check_rate(source, admitted, now=now, limits=self.settings.guards)

    def _route(
        self,
        connection: sa.Connection,
        watched: Watched,
        description: Description,
        routing: Routing,
        planned: Sequence[Planned],
    ) -> list[Job]:
        jobs: list[Job] = []
        fates = []
        for each in planned:
            job, new = self.queue.submit(connection, each.series, each.order, each.entry, again=each.again)
            fates.append({"rules": list(each.order.rules), "job": job.id, "new": new})
            jobs += [job] if new else []
        self._explain(connection, description, {**routing.as_json(), "jobs": fates})
        if routing.waits:
            until = min(wait.until for wait in routing.waits).timestamp()
            waiting = replace(watched, stage="waiting", look_at=until, reason=routing.summary)
            require(look_again(connection, waiting))
            return jobs
        return self._end(connection, watched, jobs)

    def _planned(
        self, connection: sa.Connection, description: Description, routing: Routing
    ) -> list[Planned]:
        """What the rules ask for, with the series of every input."""
        planned = []
        for order in orders(routing):
            entry = entry_of(self.catalog, order)
            series = with_inputs(self.orthanc, description.series, order, entry.manifest)
            earlier = self.ledger.with_key(connection, job_key(series, entry, order.mode, order.output))
            again = earlier is not None and self._is_gone(earlier)
            planned.append(Planned(order, entry, series, again))
        return planned

    def _is_gone(self, job: Job) -> bool:
        """A live result that was done, and is no longer in Orthanc: the study was deleted and came again.
        Not one that was delivered, and then deleted by retention."""
        if job.state != "done" or job.mode != "live" or not job.result_series_uids or job.results_deleted:
            return False
        return self.orthanc.find_series(job.result_series_uids[0]) is None

    def _end(self, connection: sa.Connection, watched: Watched, jobs: list[Job]) -> list[Job]:
        require(settle(connection, watched))
        return jobs

    def _explain(self, connection: sa.Connection, description: Description, routing: dict[str, Any]) -> None:
        version = self.rule_book.in_force()
        self.ledger.explain(
            connection,
            study_instance_uid=description.series.study_instance_uid,
            series_instance_uid=description.series.series_instance_uid,
            content_sha256=description.series.content_sha256,
            summary=routing["summary"],
            routing={**routing, "rules_version": version.number if version else None},
        )

    def run_now(self, series_orthanc_id: str, pipeline: str, *, again: bool) -> tuple[Job, bool]:
        """A job asked for by a person, past the rules; the earlier one if the content was already done."""
        description = describe(self.orthanc, series_orthanc_id, ())
        order = requested(self.rule_book.rules(), pipeline)
        with self.ledger.transaction() as connection:
            entry = entry_of(self.catalog, order)
            return self.queue.submit(connection, description.series, order, entry, again=again)


def require(unchanged: bool) -> None:
    """Rolls the transaction back when an instance came since the series was read."""
    if not unchanged:
        raise CameMeanwhile


def as_recorded(facts: SeriesFacts, study: Sequence[SeriesFacts]) -> SeriesFacts:
    """A wait is counted from when the series was complete, not from when it is looked at again."""
    own = (known for known in study if known.series_instance_uid == facts.series_instance_uid)
    return replace(facts, received=next(own, facts).received)


def with_inputs(
    orthanc: OrthancRest, series: CompleteSeries, order: Order, manifest: Manifest
) -> CompleteSeries:
    """The series of the pipeline's first input, and beside it those of the further ones."""
    if not order.inputs:
        return series
    chosen = dict(order.inputs)
    first, *further = [known.name for known in manifest.inputs]
    rest = tuple(further_series(orthanc, name, chosen[name]) for name in further)
    if chosen[first] == series.series_instance_uid:
        return replace(series, further=rest)
    main = further_series(orthanc, first, chosen[first])
    return CompleteSeries(
        main.series_orthanc_id, series.study_instance_uid, main.series_instance_uid, main.instances, rest
    )


def requested(rules: Sequence[Rule], pipeline: str) -> Order:
    """What a request by hand means: handling as by the pipeline's rule, or by the defaults."""
    configured = next((rule for rule in rules if rule.pipeline == pipeline), None)
    rule = configured or Rule.model_validate({"Name": "requested", "When": {}, "Pipeline": pipeline})
    return Order(
        pipeline=pipeline,
        rules=("requested",),
        mode="live",
        priority=rule.priority,
        on_hold=rule.on_hold,
        send_to=rule.send_to,
        companions=rule.companions,
        output=rule.output,
        gate=limits_of(rule),
        inputs=(),
        not_before=None,
    )
