"""Jobs, health and explanations over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.author import author_of
from plugin.delivery.overview import shown_deliveries
from plugin.health import health
from plugin.identity import node_version
from plugin.ledger import STATES, Job
from plugin.moment import moment
from plugin.parts import Parts
from plugin.people import cancel, reject, release, retry, run_now
from plugin.rest_errors import (
    Conflict,
    NotFound,
    PlainJSONResponse,
    Unacceptable,
    as_json,
)
from plugin.watch import all_watched


def get_health(parts: Parts, _request: Request) -> Response:
    """Whether the node is able to work; 503 with the reasons when not."""
    found = health(parts)
    return PlainJSONResponse(found, status_code=200 if found["status"] == "ok" else 503)


def list_jobs(parts: Parts, request: Request) -> list[dict[str, Any]]:
    """Jobs, the latest first."""
    asked = request.query_params
    columns = {"study": "study_instance_uid", "series": "source_series_uid", "state": "state"}
    equals = {column: asked[name] for name, column in columns.items() if asked.get(name)}
    if equals.get("state", STATES[0]) not in STATES:
        raise Unacceptable(f"state {equals['state']!r} does not exist", remedy="one of " + ", ".join(STATES))
    jobs = parts.ledger.jobs(limit=_limit(asked.get("limit")), since=_since(asked.get("since")), **equals)
    return [whole(parts, job) for job in jobs]


def get_job(parts: Parts, request: Request) -> dict[str, Any]:
    """One job."""
    return whole(parts, job_of(parts, request))


def post_job(parts: Parts, request: Request) -> Response:
    """Runs a pipeline on a series now, past the rules; 409 with the earlier job if that was done before."""
    wanted = as_json(request)
    job, new = run_now(parts, wanted)
    if not new:
        raise Conflict(
            f"the same content was already given to this pipeline version as job {job.id}",
            remedy='send "force": true to run it once more',
            job=whole(parts, job),
        )
    return PlainJSONResponse(whole(parts, job), status_code=201)


def cancel_job(parts: Parts, request: Request) -> dict[str, Any]:
    """Stops a queued, running or delivering job; what it has written is withdrawn."""
    return whole(parts, cancel(parts, job_of(parts, request), author_of(request)))


def retry_job(parts: Parts, request: Request) -> dict[str, Any]:
    """Runs a failed or cancelled job again, from the step that failed."""
    return whole(parts, retry(parts, job_of(parts, request), author_of(request)))


def release_job(parts: Parts, request: Request) -> dict[str, Any]:
    """Puts a held result into Orthanc; the person who asks takes responsibility."""
    return whole(parts, release(parts, job_of(parts, request), author_of(request)))


def reject_job(parts: Parts, request: Request) -> dict[str, Any]:
    """Deletes a held result."""
    return whole(parts, reject(parts, job_of(parts, request), author_of(request)))


def explain(parts: Parts, request: Request) -> dict[str, Any]:
    """Why a study was, or was not, processed: every rule, every job, what is still waited for."""
    study_instance_uid = request.query_params.get("study")
    if not study_instance_uid:
        raise Unacceptable("the parameter study is missing", remedy="give a Study Instance UID")
    judgements = [
        {**judgement, "at": moment(judgement["at"])}
        for judgement in parts.ledger.explanations(study_instance_uid)
    ]
    jobs = parts.ledger.jobs(study_instance_uid=study_instance_uid)
    open_fates = [
        {"stage": one.stage, "reason": one.reason, "look_again": moment(one.look_at)}
        for one in all_watched(parts.ledger.engine)
        if one.study_instance_uid == study_instance_uid
    ]
    return {
        "study_instance_uid": study_instance_uid,
        "series": judgements,
        "open": open_fates,
        "jobs": [whole(parts, job) for job in jobs],
    }


def list_pipelines(parts: Parts, _request: Request) -> list[dict[str, Any]]:
    """The pipelines at hand, with their manifests and digests."""
    return [
        {**entry.manifest.model_dump(mode="json", by_alias=True), "ModelSha256": entry.model_sha256}
        for entry in parts.catalog
    ]


def job_of(parts: Parts, request: Request) -> Job:
    job = parts.ledger.job(request.path_params["id"])
    if job is None:
        raise NotFound(
            f"there is no job {request.path_params['id']}", remedy="GET /orthogen/api/jobs lists them"
        )
    return job


def whole(parts: Parts, job: Job) -> dict[str, Any]:
    """The job with its deliveries."""
    return shown(job, shown_deliveries(parts.ledger, job))


def shown(job: Job, deliveries: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """A job as the interface promises it."""
    return {
        "id": job.id,
        "state": job.state,
        "stage": job.stage,
        "pipeline": job.pipeline,
        "pipeline_version": job.pipeline_version,
        "rule": job.rule,
        "mode": job.mode,
        "priority": job.priority,
        "study_instance_uid": job.study_instance_uid,
        "source_series_uid": job.source_series_uid,
        "source_instances": len(job.instances),
        "companions": list(job.companions),
        "output": job.output,
        "result_series_uids": list(job.result_series_uids),
        "verdict": job.verdict,
        "reasons": list(job.reasons),
        "figures": dict(job.figures),
        "progress": job.progress,
        "attempts": job.attempts,
        "created": moment(job.created),
        "started": moment(job.started),
        "finished": moment(job.finished),
        "decision": job.decision,
        "decided_by": job.decided_by,
        "decided": moment(job.decided),
        "results_deleted": moment(job.results_deleted),
        "deliveries": list(deliveries),
        "node_version": node_version(),
    }


def _limit(text: str | None) -> int:
    try:
        return min(max(int(text or 100), 1), 1000)
    except ValueError:
        raise Unacceptable(f"limit {text!r} is no number", remedy="1 to 1000") from None


def _since(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Unacceptable(f"since {text!r} is no time", remedy="ISO 8601, e.g. 2026-01-31T08:00") from None
