"""`GET /orthogen/metrics`: how the node does, as Prometheus text.

Names and units follow Prometheus's conventions. Nothing here is about a person: labels name pipelines,
destinations, scanners, states and folders. What is counted comes from the ledger, and survives
restarts and retention; only `orthogen_worker_starts_total` begins anew with the node. Verdicts and the
durations of jobs are gauges (OpenMetrics' gauge histograms): a retry or a release takes back what the job had
added, and a counter that shrinks would be read as one that began anew.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from plugin.delivery.contact import contact_in
from plugin.delivery.deliveries import depth
from plugin.drift.charts import strains
from plugin.health import health, is_ready
from plugin.ledger import STATES
from plugin.parts import Parts
from plugin.space import MEGABYTE
from plugin.submit import PRIORITIES
from plugin.tables import JOBS
from plugin.tallies import BOUNDS, INFINITE, SUM, Tallies, tallies

LATEST_STUDIES = 100
"""Of a pipeline's version, whose gate figures are averaged."""

Rows = Mapping[tuple[str, ...], float]


def get_metrics(parts: Parts, request: Request) -> Response:
    """How the node does, as Prometheus text, or OpenMetrics where the caller prefers that."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(parts))
    ProcessCollector(registry=registry)
    write, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(write(registry), headers={"Content-Type": content_type})


class NodeCollector(Collector):
    """Looks when it is asked; keeps nothing."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def collect(self) -> Iterator[Metric]:
        yield from self._node()
        with self.parts.ledger.engine.connect() as connection:
            yield from self._jobs(connection)
            yield from self._destinations(connection)
            yield from tallied(tallies(connection))
            yield from _figures(connection)
            yield _drift(connection)

    def _node(self) -> Iterator[Metric]:
        found, parts = health(self.parts), self.parts
        yield InfoMetricFamily("orthogen_build", "Version of the node.", {"version": found["version"]})
        yield single("orthogen_healthy", "1 if the node is able to work.", found["status"] == "ok")
        yield single("orthogen_alerts", "What an administrator should look at.", len(found["alerts"]))
        pending = found["pending_series"]
        yield single("orthogen_pending_series", "Series received whose fate is open.", pending)
        yield single("orthogen_other_workers", "Workers elsewhere on the queue.", len(found["other_workers"]))
        short = sum(bool(one["shortage"]) for one in found["other_workers"])
        what = "Workers elsewhere that take no jobs because their disk is full."
        yield single("orthogen_other_workers_short_of_space", what, short)
        workers = {(str(slot),): worker for slot, worker in enumerate(parts.workers)}
        up: Rows = {slot: is_ready(worker) for slot, worker in workers.items()}
        yield gauge("orthogen_worker_up", "1 if the worker process is ready.", up, "slot")
        starts: Rows = {slot: worker.starts for slot, worker in workers.items()}
        yield counter("orthogen_worker_starts", "Starts since the node's own.", starts, "slot")
        sender = is_ready(parts.sender)
        yield single("orthogen_sender_up", "1 if the process that delivers is ready.", sender)
        free: Rows = {(str(folder),): float(size) for folder, size in parts.space.free_bytes().items()}
        yield gauge("orthogen_disk_free_bytes", "Free space, by folder on its disk.", free, "folder")
        floor = parts.space.minimum_free_megabytes * MEGABYTE
        yield single("orthogen_disk_minimum_free_bytes", "Below it no new work begins.", floor)

    def _jobs(self, connection: sa.Connection) -> Iterator[Metric]:
        labels = (JOBS.c.state, JOBS.c.pipeline, JOBS.c.pipeline_version)
        present = [(entry.manifest.name, entry.manifest.version) for entry in self.parts.catalog]
        rows: Counter[tuple[str, ...]] = Counter({(state, *each): 0 for state in STATES for each in present})
        for *values, count in connection.execute(sa.select(*labels, sa.func.count()).group_by(*labels)):
            rows[tuple(values)] += count
        names = ("state", "pipeline", "pipeline_version")
        yield gauge("orthogen_jobs", "Jobs in the ledger.", rows, *names)
        queued = sa.select(JOBS.c.priority, sa.func.count(), sa.func.min(JOBS.c.created))
        waiting = queued.where(JOBS.c.state == "queued").group_by(JOBS.c.priority)
        found = {priority: (count, oldest) for priority, count, oldest in connection.execute(waiting)}
        depths: Rows = {(name,): found.get(name, (0, 0))[0] for name in PRIORITIES}
        yield gauge("orthogen_queue_jobs", "Jobs that wait for a worker.", depths, "priority")
        age_s = max((time.time() - since for _, since in found.values()), default=0.0)
        yield single("orthogen_queue_oldest_age_seconds", "Of the job that waits longest; 0 if none.", age_s)

    def _destinations(self, connection: sa.Connection) -> Iterator[Metric]:
        names = list(self.parts.destinations.destinations())
        rows: Rows = {
            (name, state): float(count) for name in names for state, count in depth(connection, name).items()
        }
        yield gauge("orthogen_deliveries", "Deliveries in the ledger.", rows, "destination", "state")
        contacts = [contact_in(connection, name) for name in names]
        open_ones: Rows = {(each.destination,): each.breaker == "open" for each in contacts}
        yield gauge("orthogen_breaker_open", "1 while a destination is spared.", open_ones, "destination")
        last: Rows = {(each.destination,): each.last_success or 0.0 for each in contacts}
        what = "When something last went well there; 0: never."
        yield gauge("orthogen_destination_last_success_timestamp_seconds", what, last, "destination")


def single(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value)


def gauge(name: str, what: str, rows: Rows, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for values, value in rows.items():
        family.add_metric(values, value)
    return family


def counter(name: str, what: str, rows: Rows, *labels: str) -> Metric:
    """Its samples are called `name` + `_total`."""
    family = CounterMetricFamily(name, what, labels=labels)
    for values, value in rows.items():
        family.add_metric(values, value)
    return family


def tallied(found: Tallies) -> Iterator[Metric]:
    """Counters where a number never shrinks, else gauges."""
    pipeline = ("pipeline", "pipeline_version")
    yield counter("orthogen_jobs_created", "Jobs made so far.", _named(found, "jobs"), *pipeline)
    verdicts = _named(found, "verdicts")
    what = "Jobs by the gate's verdict on their last attempt; a retry takes one back."
    yield gauge("orthogen_verdicts", what, verdicts, *pipeline, "verdict")
    seconds = _named(found, "seconds")
    waited = "From a job's making to its last start; a further start takes one back."
    yield _gauge_histogram("orthogen_job_wait_seconds", waited, _named(seconds, "wait"), "pipeline")
    processed = "From a job's last start to its result; a retry or a release takes one back."
    yield _gauge_histogram("orthogen_job_process_seconds", processed, _named(seconds, "process"), "pipeline")
    delivered = "From a result to its confirmed delivery."
    yield _histogram("orthogen_delivery_seconds", delivered, _named(seconds, "deliver"), "destination")


def _named(found: Rows, name: str) -> Rows:
    """Those whose key begins with the name, by the rest of their key."""
    return {first_and_rest[1:]: value for first_and_rest, value in found.items() if first_and_rest[0] == name}


def _histogram(name: str, what: str, rows: Rows, label: str) -> Metric:
    family = HistogramMetricFamily(name, what, labels=[label])
    for value, buckets, seconds in _distributions(rows):
        family.add_metric([value], buckets, seconds)
    return family


def _gauge_histogram(name: str, what: str, rows: Rows, label: str) -> Metric:
    """Of what may shrink."""
    family = GaugeHistogramMetricFamily(name, what, labels=[label])
    for value, buckets, seconds in _distributions(rows):
        family.add_metric([value], buckets, seconds)
    return family


def _distributions(rows: Rows) -> Iterator[tuple[str, list[tuple[str, float]], float]]:
    """By label: how many lasted at most how long, and the sum of all (seconds)."""
    for value in sorted({labels[0] for labels in rows}):
        yield value, [(bound, rows[(value, bound)]) for bound in (*BOUNDS, INFINITE)], rows[(value, SUM)]


def _figures(connection: sa.Connection) -> Iterator[Metric]:
    """What the gate measured, over the latest studies of each pipeline."""
    columns = (JOBS.c.pipeline, JOBS.c.pipeline_version)
    present = connection.execute(sa.select(*columns).where(JOBS.c.verdict.is_not(None)).distinct())
    means: dict[tuple[str, ...], float] = {}
    for pipeline, version in present.all():
        for name, value in _means(_latest_figures(connection, pipeline, version)):
            means[(pipeline, version, name)] = value
    what = f"Mean of what the gate measured, over the latest {LATEST_STUDIES} studies."
    yield gauge("orthogen_gate_figure_mean", what, means, "pipeline", "pipeline_version", "figure")


def _drift(connection: sa.Connection) -> Metric:
    what = "CUSUM of a gate figure over its decision interval; above 1 it has drifted."
    labels = ("pipeline", "pipeline_version", "scanner", "figure")
    return gauge("orthogen_gate_figure_drift_ratio", what, strains(connection), *labels)


def _latest_figures(connection: sa.Connection, pipeline: str, version: str) -> Iterable[Mapping[str, float]]:
    of_it = (JOBS.c.pipeline == pipeline, JOBS.c.pipeline_version == version, JOBS.c.verdict.is_not(None))
    query = sa.select(JOBS.c.figures).where(*of_it).order_by(JOBS.c.created.desc()).limit(LATEST_STUDIES)
    return connection.execute(query).scalars().all()


def _means(studies: Iterable[Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    values = defaultdict(list)
    for figures in studies:
        for name, value in figures.items():
            values[name].append(value)
    for name, found in sorted(values.items()):
        yield name, fmean(found)
