"""What the interface takes and answers, as types: the source of its OpenAPI description.

Answers hold these keys and no others; the tests hold every route to that. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from pipelines.manifest import Manifest
from plugin.rule_answers import ProblemAnswer, RoutingAnswer, exactly

JobState = Literal["queued", "running", "delivering", "held", "done", "failed", "cancelled"]
DeliveryState = Literal["queued", "sending", "waiting", "committing", "delivered", "failed"]
Level = Literal["PASS", "WARN", "HOLD"]


@exactly
class ImageAnswer(TypedDict):
    """One image and what a destination said to it."""

    sop_instance_uid: str
    status: str | None
    comment: str


@exactly
class DeliveryAnswer(TypedDict):
    """All results of one job on their way to one destination."""

    destination: str
    state: DeliveryState
    attempts: int
    images: int
    sent: int
    committed: int
    kept: int
    refused: list[ImageAnswer]
    warned: list[ImageAnswer]
    last_error: str | None
    waits_for: str | None
    next_attempt: str | None
    created: str
    started: str | None
    finished: str | None


@exactly
class JobAnswer(TypedDict):
    """One run of one pipeline on one content of one series."""

    id: str
    state: JobState
    stage: str
    pipeline: str
    pipeline_version: str
    rule: str
    mode: Literal["live", "shadow"]
    priority: Literal["stat", "high", "routine"]
    study_instance_uid: str
    source_series_uid: str
    source_instances: int
    companions: list[str]
    output: Literal["classic", "enhanced"]
    result_series_uids: list[str]
    verdict: Level | None
    reasons: list[str]
    figures: dict[str, float]
    progress: float
    attempts: int
    created: str
    started: str | None
    finished: str | None
    decision: Literal["cancelled", "retried", "released", "rejected"] | None
    decided_by: str | None
    decided: str | None
    results_deleted: str | None
    deliveries: list[DeliveryAnswer]
    node_version: str


@exactly
class ErrorAnswer(TypedDict):
    """Why a call was refused, and what to do about it."""

    error: str
    detail: str
    remedy: str
    problems: NotRequired[list[ProblemAnswer]]
    job: NotRequired[JobAnswer]


@exactly
class WorkerAnswer(TypedDict):
    """One worker process of this machine."""

    slot: int
    pid: int | None
    starts: int
    ready: bool
    last: str


@exactly
class OtherWorkerAnswer(TypedDict):
    """A worker of another node, or of `orthogen worker`, that shares the database."""

    host: str
    pid: int
    silent_seconds: float
    shortage: str


@exactly
class HealthAnswer(TypedDict):
    """Whether the node is able to work, and if not, why not."""

    status: Literal["ok", "unavailable"]
    reasons: list[str]
    version: str
    workers: list[WorkerAnswer]
    other_workers: list[OtherWorkerAnswer]
    queue: dict[JobState, int]
    pending_series: int
    alerts: list[str]


@exactly
class JudgementAnswer(TypedDict):
    """One judgement on one series."""

    number: int
    study_instance_uid: str
    series_instance_uid: str
    content_sha256: str
    at: str
    summary: str
    routing: RoutingAnswer


@exactly
class PendingAnswer(TypedDict):
    """A series whose fate is open."""

    stage: Literal["arriving", "waiting"]
    reason: str
    look_again: str


@exactly
class ExplainAnswer(TypedDict):
    """Why a study was, or was not, processed."""

    study_instance_uid: str
    series: list[JudgementAnswer]
    open: list[PendingAnswer]
    jobs: list[JobAnswer]


@exactly
class RunNowBody(TypedDict):
    """Run one pipeline on one series, past the rules."""

    series_instance_uid: str
    pipeline: str
    force: NotRequired[bool]


@exactly
class DestinationAnswer(TypedDict):
    """One destination: its configuration without secrets, and how it goes."""

    name: str
    type: str
    address: str
    configuration: dict[str, Any]
    queue: dict[DeliveryState, int]
    breaker: Literal["closed", "open", "half-open"]
    failing_since: str | None
    rests_until: str | None
    opens: str | None
    last_success: str | None
    last_error: str | None
    last_error_at: str | None


@exactly
class DestinationSetAnswer(TypedDict):
    """A set of destinations that was, or is, in force, without secrets."""

    version: int
    author: str
    created: str
    comment: str
    destinations: dict[str, dict[str, Any]]


@exactly
class ChangedDestinationsAnswer(DestinationSetAnswer):
    """The set in force, and whether the call changed it."""

    changed: bool


@exactly
class EchoAnswer(TypedDict):
    """How a destination answered a harmless question."""

    destination: str
    seconds: float
    status: str


class PipelineAnswer(Manifest):
    """A pipeline at hand: its manifest, and the digest of its model."""

    model_sha256: str
