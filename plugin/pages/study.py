"""Study: why it was, or was not, processed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from plugin.moment import moment
from plugin.pages.jobs import listed
from plugin.pages.overview import shown_pending
from plugin.pages.page import page
from plugin.parts import Parts
from plugin.watch import all_watched


def study_page(parts: Parts, request: Request) -> Response:
    uid = request.query_params.get("uid", "").strip()
    if not uid:
        return page(
            "study.html", uid="", series=[], judged={}, earlier=[], pending=[], jobs=[], in_orthanc=None
        )
    series = series_in_orthanc(parts, uid)
    judgements = [{**each, "at": moment(each["at"])} for each in parts.ledger.explanations(uid)]
    latest = {each["series_instance_uid"]: each for each in judgements}
    return page(
        "study.html",
        uid=uid,
        series=series,
        judged=latest,
        earlier=[each for each in reversed(judgements) if latest[each["series_instance_uid"]] is not each],
        pending=pending_of(parts, uid, [each["orthanc_id"] for each in series]),
        jobs=[listed(parts, job) for job in parts.ledger.jobs(study_instance_uid=uid)],
        in_orthanc=series[0]["study_orthanc_id"] if series else None,
    )


def series_in_orthanc(parts: Parts, study_instance_uid: str) -> list[dict[str, Any]]:
    """Every series of the study, and of which job it is a result, if of any."""
    orthanc = parts.reception.orthanc
    found = [orthanc.json(f"/series/{each}") for each in orthanc.series_of_study(study_instance_uid)]
    shown = [
        {
            "uid": each["MainDicomTags"]["SeriesInstanceUID"],
            "modality": each["MainDicomTags"].get("Modality", ""),
            "description": each["MainDicomTags"].get("SeriesDescription", ""),
            "instances": len(each["Instances"]),
            "orthanc_id": each["ID"],
            "study_orthanc_id": each["ParentStudy"],
            "result_of": parts.ledger.job_of_result(each["MainDicomTags"]["SeriesInstanceUID"]),
        }
        for each in found
    ]
    return sorted(shown, key=lambda each: (bool(each["result_of"]), each["uid"]))


def pending_of(
    parts: Parts, study_instance_uid: str, series_orthanc_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """What is still waited for; a series that is arriving does not name its study yet."""
    return [
        shown_pending(one)
        for one in all_watched(parts.ledger.engine)
        if one.study_instance_uid == study_instance_uid or one.series_orthanc_id in series_orthanc_ids
    ]
