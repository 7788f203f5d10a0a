"""A control chart for each figure of each pipeline, model, scanner and protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from plugin.drift.cusum import Cusum, cusum
from plugin.drift.figures import Measured, first_and_latest

WATCHED = (
    "source_noise_hu",
    "source_noise_signal",
    "source_grain",
    "source_ghosts",
    "source_air_hu",
    "out_of_distribution",
    "noise_ratio",
    "noise_removed_hu",
    "structure_removed",
    "edges_kept",
    "local_change",
    "mean_shift_soft_tissue_hu",
    "mean_shift_lung_hu",
    "mean_shift_fat_hu",
    "mean_shift_bright_tissue_percent",
    "mean_shift_dark_tissue_percent",
    "median_spread",
    "gate_score",
)


@dataclass(frozen=True)
class Group:
    """Studies that should look alike."""

    pipeline: str
    pipeline_version: str
    model_sha256: str
    scanner: str
    protocol: str

    @classmethod
    def of(cls, measured: Measured) -> Group:
        origin = measured.origin
        versions = measured.pipeline, measured.pipeline_version, measured.model_sha256
        return cls(*versions, origin.scanner, origin.protocol)

    def __str__(self) -> str:
        """In words, for an alert."""
        made = f"{self.pipeline} {self.pipeline_version} on {self.scanner}"
        return f"{made}, protocol {self.protocol}" if self.protocol else made


@dataclass(frozen=True)
class Chart:
    """One figure of one group."""

    group: Group
    figure: str
    times: tuple[float, ...]
    values: tuple[float, ...]
    cusum: Cusum | None
    """None while the baseline is gathered."""

    @property
    def alarm(self) -> bool:
        return self.cusum is not None and self.cusum.since is not None


def charts(connection: sa.Connection) -> list[Chart]:
    """Of all groups, those that alarm first."""
    found = list(charts_of(first_and_latest(connection)))
    return sorted(found, key=lambda chart: -(chart.cusum.strain if chart.cusum else -1.0))


def charts_of(studies: Sequence[Measured]) -> Iterator[Chart]:
    """Studies in the order of time."""
    groups: dict[Group, list[Measured]] = defaultdict(list)
    for study in studies:
        groups[Group.of(study)].append(study)
    for group, mine in groups.items():
        for figure in WATCHED:
            known = [study for study in mine if figure in study.figures]
            values = tuple(study.figures[figure] for study in known)
            if values:
                yield Chart(group, figure, tuple(study.at for study in known), values, cusum(values))


def drift_alerts(connection: sa.Connection) -> list[str]:
    """A sentence for each chart that alarms."""
    return [_alert(chart) for chart in charts(connection) if chart.alarm]


def strains(connection: sa.Connection) -> Mapping[tuple[str, ...], float]:
    """For metrics: pipeline, version, scanner and figure to the worst chart's CUSUM over its limit."""
    worst: dict[tuple[str, ...], float] = {}
    for chart in charts(connection):
        if chart.cusum is not None:
            group = chart.group
            labels = (group.pipeline, group.pipeline_version, group.scanner, chart.figure)
            worst[labels] = max(worst.get(labels, 0.0), chart.cusum.strain)
    return worst


def _alert(chart: Chart) -> str:
    assert chart.cusum is not None
    assert chart.cusum.since is not None
    figure, studies = chart.figure.replace("_", " "), len(chart.values) - chart.cusum.since
    way = "risen" if chart.cusum.above > chart.cusum.below else "fallen"
    now = sum(chart.values[chart.cusum.since :]) / studies
    usual = f"{chart.cusum.mean:.3g} before, {now:.3g} over the last {studies} studies"
    return f"drift: {figure} has {way} ({usual}): {chart.group}; see the drift page"
