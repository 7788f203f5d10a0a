"""Against loops and storms: how often a series was already made by a node, how much one source may send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from plugin.routing.facts import SeriesFacts
from plugin.routing.rule import RuleModel

WINDOW = timedelta(hours=1)


class GuardLimits(RuleModel):
    """Section `Guards` of the configuration."""

    hops: int = Field(default=0, ge=0, le=16)
    """How many nodes' results a series may already be made from; 0: results are never input."""
    series_per_source_and_hour: int = Field(default=1000, ge=1)
    """A source is a calling AE title at an address."""


@dataclass(frozen=True)
class Admission:
    """Whether a series may become jobs now."""

    admitted: bool
    reason: str
    retry: datetime | None = None
    """When it may; None where it never may."""


def source_of(facts: SeriesFacts) -> str:
    """The name under which a sender's series are counted."""
    return f"{facts.calling_ae_title or 'unknown AE title'} at {facts.remote_ip or 'unknown address'}"


def check_hops(hops: int, limits: GuardLimits) -> Admission:
    """`hops`: how many nodes like this one stand in the series' Contributing Equipment Sequence
    (0018,A001)."""
    if hops <= limits.hops:
        return Admission(True, f"made from the results of {hops} nodes, {limits.hops} allowed")
    reason = f"already made from the results of {hops} nodes; Guards.Hops allows {limits.hops}, against loops"
    return Admission(False, reason)


def check_rate(source: str, admitted: Sequence[datetime], *, now: datetime, limits: GuardLimits) -> Admission:
    """`admitted`: when series of this source were admitted, in any order; those of the last hour count."""
    cap = limits.series_per_source_and_hour
    recent = sorted(moment for moment in admitted if now - WINDOW < moment <= now)
    if len(recent) < cap:
        return Admission(True, f"{len(recent) + 1} of {cap} series of {source} within an hour")
    retry = recent[-cap] + WINDOW
    reason = (
        f"{source} has brought {len(recent)} series within an hour, the cap is {cap}: this one waits until "
        f"{retry:%H:%M:%S}; look for a loop or a migration, or raise Guards.SeriesPerSourceAndHour"
    )
    return Admission(False, reason, retry)
