"""Are the plans of docs/scale_out.md enough? A simulation of working days: series arrive with a peak in the
morning, nodes receive and store, workers infer, senders deliver. `python -m bench.archive_simulation [SEED]`

Which figure is measured, which has a source and which is an assumption stands in docs/scale_out.md. First the
simulator itself is held against the theory of queues (Erlang C).
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from statistics import fmean, quantiles

import simpy

DAY_S, HOUR_S = 86_400, 3_600
HOURLY = (1, 1, 1, 1, 1, 1, 2, 6, 9, 11, 11, 10, 8, 9, 9, 8, 6, 4, 3, 2, 2, 2, 1, 1)
"""Share of a working day's series in each hour, to be divided by their sum: the busiest hour has 11 %."""
WORKING_DAYS = 250
SERIES_AN_EXAM = 2.0
MEAN_SLICES, SPREAD = 250.0, 0.6
"""Of a series; lognormal, the spread is the standard deviation of the logarithm."""
STAT_SHARE = 0.05
BEFORE_ALL, STAT, ROUTINE = 0, 1, 10
MEGABYTES_A_SLICE = 0.53

RECEIVE_S = 1 / 50.7
"""Of one association, per instance (measured: docs/benchmarks.md)."""
STORE_S = 1 / 160
"""Of one node, per result instance, over four connections (measured)."""
SEND_S = 1 / 50.7
"""Of one association, per instance: the receiver is taken to be as fast as our own Orthanc."""
INFER_S = 0.005
"""Of one GPU, per slice of 512 x 512: an assumption, no GPU was at hand."""
JOB_S = 1.0
"""Of a worker, per job, beside its slices: claim, plan, first fetch, gate, manifest."""
ASSOCIATIONS = 4
"""In which a node receives, and a destination is sent to, at once."""
GOAL = 0.65
"""The busiest hour may use this share of everything."""


Steps = Generator[simpy.Event, object, None]


@dataclass(frozen=True)
class Archive:
    """What is asked for, and with what it is to be done."""

    name: str
    exams_a_year: float
    nodes: int = 1
    workers: int = 1
    senders: int = ASSOCIATIONS
    lost_workers: int = 0
    """Out of order from nine to eleven, the busiest hours."""

    @property
    def series_a_day(self) -> float:
        return self.exams_a_year * SERIES_AN_EXAM / WORKING_DAYS

    @property
    def peak_series_per_s(self) -> float:
        return self.series_a_day * max(HOURLY) / sum(HOURLY) / HOUR_S

    def planned(self) -> Archive:
        """The smallest number of everything that keeps the busiest hour at or below the goal."""
        slices_per_s = self.peak_series_per_s * MEAN_SLICES
        busy_nodes = slices_per_s * max(RECEIVE_S / ASSOCIATIONS, STORE_S)
        worker_s = JOB_S + MEAN_SLICES * max(INFER_S, STORE_S)
        return replace(
            self,
            nodes=math.ceil(busy_nodes / GOAL),
            workers=math.ceil(self.peak_series_per_s * worker_s / GOAL),
            senders=math.ceil(slices_per_s * SEND_S / GOAL),
        )


@dataclass
class Waits:
    """Seconds; one entry a series."""

    stat: list[float] = field(default_factory=list)
    """From routed to begun."""
    routine: list[float] = field(default_factory=list)
    through: list[float] = field(default_factory=list)
    """From the first image in to the last result image delivered."""


class Day:
    """One working day of one archive, and as long after it as the work takes."""

    def __init__(self, archive: Archive, seed: int) -> None:
        self.archive, self.random = archive, random.Random(seed)
        self.clock = simpy.Environment()
        self.receiving = simpy.Resource(self.clock, archive.nodes * ASSOCIATIONS)
        self.storing = simpy.Resource(self.clock, archive.nodes)
        self.workers = simpy.PriorityResource(self.clock, archive.workers)
        self.senders = simpy.Resource(self.clock, archive.senders)
        self.waits = Waits()

    def run(self) -> Waits:
        self.clock.process(self._arrivals())
        for _ in range(self.archive.lost_workers):
            self.clock.process(self._outage())
        self.clock.run()
        return self.waits

    def _outage(self) -> Steps:
        yield self.clock.timeout(9 * HOUR_S)
        with self.workers.request(priority=BEFORE_ALL) as worker:
            yield worker
            yield self.clock.timeout(2 * HOUR_S)

    def _arrivals(self) -> Steps:
        """A Poisson process whose rate changes with the hour (by thinning)."""
        most = self.archive.peak_series_per_s
        while self.clock.now < DAY_S:
            yield self.clock.timeout(self.random.expovariate(most))
            hour = int(self.clock.now // HOUR_S) % 24
            if self.random.random() < HOURLY[hour] / max(HOURLY):
                self.clock.process(self._series())

    def _series(self) -> Steps:
        came = self.clock.now
        slices = self._slices()
        yield from self._busy(self.receiving, slices * RECEIVE_S)
        yield self.clock.process(self._job(slices))
        yield from self._busy(self.senders, slices * SEND_S)
        self.waits.through.append(self.clock.now - came)

    def _job(self, slices: float) -> Steps:
        """Inference and storing overlap; the worker is free when both are done."""
        is_stat = self.random.random() < STAT_SHARE
        routed = self.clock.now
        with self.workers.request(priority=STAT if is_stat else ROUTINE) as worker:
            yield worker
            (self.waits.stat if is_stat else self.waits.routine).append(self.clock.now - routed)
            yield self.clock.timeout(JOB_S)
            inferred = self.clock.timeout(slices * INFER_S)
            stored = self.clock.process(self._busy(self.storing, slices * STORE_S))
            yield inferred & stored

    def _busy(self, what: simpy.Resource, for_s: float) -> Steps:
        with what.request() as request:
            yield request
            yield self.clock.timeout(for_s)

    def _slices(self) -> float:
        return self.random.lognormvariate(math.log(MEAN_SLICES) - SPREAD**2 / 2, SPREAD)


def mean_wait_by_theory(rate: float, service_s: float, servers: int) -> float:
    """Erlang C: Poisson arrivals, exponential service, one queue."""
    load = rate * service_s
    terms = [load**n / math.factorial(n) for n in range(servers)]
    waiting = load**servers / math.factorial(servers) * servers / (servers - load)
    return waiting / (sum(terms) + waiting) * service_s / (servers - load)


def mean_wait_simulated(rate: float, service_s: float, servers: int, seed: int) -> float:
    """The same by the library that runs the days, over 100,000 arrivals."""
    clock, draw = simpy.Environment(), random.Random(seed)
    queue, waits = simpy.PriorityResource(clock, servers), list[float]()

    def one() -> Steps:
        came = clock.now
        with queue.request(priority=ROUTINE) as request:
            yield request
            waits.append(clock.now - came)
            yield clock.timeout(draw.expovariate(1 / service_s))

    def arrivals() -> Steps:
        for _ in range(100_000):
            yield clock.timeout(draw.expovariate(rate))
            clock.process(one())

    clock.process(arrivals())
    clock.run()
    return fmean(waits)


def percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]


def report(archive: Archive, seed: int) -> str:
    waits = Day(archive, seed).run()
    megabytes = archive.peak_series_per_s * MEAN_SLICES * MEGABYTES_A_SLICE
    cells = [
        archive.name,
        f"{archive.exams_a_year:,.0f}",
        f"{archive.peak_series_per_s:.2f}",
        f"{archive.peak_series_per_s * MEAN_SLICES:,.0f}",
        f"{8 * megabytes / 1000:.2f}",
        f"{archive.nodes}",
        f"{archive.workers}",
        f"{archive.senders}",
        f"{percentile(waits.stat, 99):.1f}",
        f"{percentile(waits.routine, 50):.1f}",
        f"{percentile(waits.routine, 99):.1f}",
        f"{percentile(waits.through, 95):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEADER = """\
| archive | exams a year | series/s at the peak | slices/s | Gbit/s in | nodes | GPUs | associations out \
| STAT wait p99 s | routine p50 | routine p99 | first image in to last out p95 s |
|---|---|---|---|---|---|---|---|---|---|---|---|"""

ARCHIVES = (
    Archive("hospital", 60_000),
    Archive("group of hospitals", 600_000),
    Archive("country of 10 million", 3_600_000),
    Archive("country of 60 million", 21_600_000),
)


def cases(plan: Archive) -> list[Archive]:
    """The plan; and where it has GPUs to lose, with a quarter of them lost at the peak, and with too few."""
    if plan.workers < 4:
        return [plan]
    lost = replace(plan, name="... a quarter of the GPUs lost, 9 to 11", lost_workers=plan.workers // 4)
    few = replace(plan, name="... six tenths of the GPUs", workers=round(plan.workers * 0.6))
    return [plan, lost, few]


def main() -> None:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    theory = mean_wait_by_theory(1.0, 7.0, 10)
    simulated = mean_wait_simulated(1.0, 7.0, 10, seed)
    print(f"the simulator against Erlang C, 10 servers at 70 %: {simulated / theory:.3f} of the mean wait\n")
    print(f"seed {seed}, one working day each; planned for at most {GOAL:.0%} in the busiest hour\n")
    print(HEADER)
    for archive in ARCHIVES:
        for case in cases(archive.planned()):
            print(report(case, seed), flush=True)


if __name__ == "__main__":
    main()
