"""Jobs: the list, one job with its reasons and pictures, and what a person may do to it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.errors import OrthogenError, PassingTrouble
from plugin.author import author_of
from plugin.gate_report.kept import has_report
from plugin.ledger import OPEN_STATES, STATES, Job
from plugin.pages.form import fields
from plugin.pages.middle_slice import Triptych, triptych
from plugin.pages.page import page
from plugin.parts import Parts
from plugin.people import cancel, reject, release, retry
from plugin.rest import whole
from plugin.rest_errors import Conflict, NotFound, Unacceptable
from plugin.settings import viewer_folder
from plugin.viewer.serve import address_of, is_there

JOBS_SHOWN = 100
ACTIONS = MappingProxyType({"cancel": cancel, "retry": retry, "release": release, "reject": reject})
OFFERED = MappingProxyType(
    {
        "queued": ("cancel",),
        "running": ("cancel",),
        "delivering": ("cancel",),
        "held": ("release", "reject"),
        "failed": ("retry",),
        "cancelled": ("retry",),
    }
)
"""By the job's state."""


def jobs_page(parts: Parts, request: Request) -> Response:
    state = request.query_params.get("state", "")
    if state and state not in STATES:
        raise Unacceptable(f"state {state!r} does not exist", remedy="one of " + ", ".join(STATES))
    ledger = parts.ledger
    newest = ledger.jobs(limit=JOBS_SHOWN, state=state) if state else ledger.jobs(limit=JOBS_SHOWN)
    jobs = [listed(parts, job) for job in newest]
    return page("jobs.html", jobs=jobs, state=state, counts=ledger.counts(), at_most=JOBS_SHOWN)


def listed(parts: Parts, job: Job) -> dict[str, Any]:
    """A job as the interface shows it, and what kind of result it makes."""
    return {**whole(parts, job), "kind": result_kind(parts, job)}


def result_kind(parts: Parts, job: Job) -> str:
    """`AI-generated` where the pixels are made up, `AI-processed` where measured ones were changed."""
    if job.pipeline not in parts.catalog:
        return "AI"
    manifest = parts.catalog[job.pipeline].manifest
    return "AI-generated" if manifest.generative or manifest.task == "translate" else "AI-processed"


def job_page(parts: Parts, request: Request) -> Response:
    return show_job(parts, job_named(parts, request.query_params.get("id", "")))


def show_job(parts: Parts, job: Job, refusal: OrthogenError | None = None) -> Response:
    made = job.state not in ("queued", "running")
    pictures, trouble = pictures_of(parts, job) if made else (None, "")
    return page(
        "job.html",
        status=409 if refusal else 200,
        job={**whole(parts, job), "kind": result_kind(parts, job)},
        send_to=job.send_to,
        on_hold=job.on_hold,
        further=[(other.input_name, other.series_instance_uid) for other in job.further],
        source_orthanc_id=job.series_orthanc_id,
        made=made,
        ended=job.state not in OPEN_STATES,
        actions=OFFERED.get(job.state, ()),
        refusal=refusal,
        viewer=address_of(job) if is_there(viewer_folder(parts.settings)) else None,
        pictures=pictures,
        has_report=has_report(parts.ledger.engine, job.id),
        trouble=trouble,
        results=result_series(parts, job) if made else [],
    )


def pictures_of(parts: Parts, job: Job) -> tuple[Triptych | None, str]:
    """The pictures, or why there are none."""
    try:
        return triptych(parts, job), ""
    except PassingTrouble as trouble:
        return None, str(trouble)


def result_series(parts: Parts, job: Job) -> list[dict[str, Any]]:
    """Each series the job wrote: its description and place in Orthanc, if it is there."""
    orthanc = parts.reception.orthanc
    found = []
    for uid in job.result_series_uids:
        try:
            orthanc_id = orthanc.find_series(uid)
            known = orthanc.json(f"/series/{orthanc_id}") if orthanc_id else {}
        except PassingTrouble:
            orthanc_id, known = None, {}
        description = known.get("MainDicomTags", {}).get("SeriesDescription", "")
        count = len(known.get("Instances", ()))
        found.append({"uid": uid, "orthanc_id": orthanc_id, "description": description, "instances": count})
    return found


def act_on_job(parts: Parts, request: Request) -> Response:
    """Cancel, retry, release or reject; the job's page as it is after."""
    form = fields(request)
    job = job_named(parts, form.get("id", ""))
    action = form.get("action", "")
    if action not in ACTIONS:
        raise Unacceptable(f"there is no action {action!r}", remedy="one of " + ", ".join(ACTIONS))
    try:
        return show_job(parts, ACTIONS[action](parts, job, author_of(request)))
    except Conflict as refusal:
        return show_job(parts, parts.ledger.job(job.id) or job, refusal)


def job_named(parts: Parts, job_id: str) -> Job:
    job = parts.ledger.job(job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id!r}", remedy="the page Jobs lists them")
    return job
