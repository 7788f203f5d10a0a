"""The viewer's files, and the address that shows a job in it."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from plugin.ledger import Job
from plugin.rest_errors import NotFound

ROOT = "/orthogen/ohif"
PAGE = "index.html"
SETTINGS = Path(__file__).with_name("app-config.js")
HEADERS = MappingProxyType(
    {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
)
"""Of the viewer's page; its threads need the first two."""
KINDS = MappingProxyType({".js": "text/javascript", ".wasm": "application/wasm", ".woff2": "font/woff2"})


def viewer_routes(folder: Path) -> list[BaseRoute]:
    """`folder`: where `make viewer` has put it, or where it may come to be."""

    async def served(request: Request) -> Response:
        return answer(folder, str(request.path_params.get("path", "")))

    return [Route(ROOT, served), Route(ROOT + "/{path:path}", served)]


def answer(folder: Path, path: str) -> Response:
    """A file of the viewer, or its page, which reads the rest of the address itself."""
    if not is_there(folder):
        raise NotFound(
            "the viewer is not installed on this node", remedy="run `make viewer` where the node is"
        )
    if path == SETTINGS.name:
        return FileResponse(SETTINGS, headers=dict(HEADERS), media_type=KINDS[SETTINGS.suffix])
    found = (folder / path).resolve()
    if path and found.is_relative_to(folder.resolve()) and found.is_file():
        kind = KINDS.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        return FileResponse(found, headers=dict(HEADERS), media_type=kind)
    if Path(path).suffix:
        raise NotFound("the viewer has no such file", remedy=f"go back to {ROOT}/")
    return FileResponse(folder / PAGE, headers=dict(HEADERS), media_type="text/html")


def is_there(folder: Path) -> bool:
    return (folder / PAGE).is_file()


def address_of(job: Job) -> str | None:
    """Original, result and difference of a job side by side, from a page in /orthogen/ui/; None where
    there is no result in Orthanc."""
    if not job.result_series_uids or job.mode != "live" or job.state in ("queued", "running", "held"):
        return None
    shown = {"original": job.source_series_uid, "result": job.result_series_uids[0]}
    if "difference" in job.companions:
        shown["difference"] = job.result_series_uids[1]
    study = {"StudyInstanceUIDs": job.study_instance_uid, "hangingProtocolId": "@orthogen/compare"}
    stage = {"stageId": "three" if "difference" in shown else "two"}
    return "../ohif/viewer?" + urlencode({**study, **stage, **shown})
