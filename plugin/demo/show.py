"""`orthogen demo`: a node of its own, the bundled studies over C-STORE, the results on disk, in pictures and
a table.
"""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dicom_templates.source import read_slice
from pipelines.errors import OrthogenError
from plugin.demo.client import Visitor
from plugin.demo.examine import examine
from plugin.demo.report import write_report
from plugin.demo.send import Receiver, send_folder
from plugin.demo.shown import HEADINGS, Shown
from plugin.demo.triptych import Window, draw_triptych
from plugin.launch import Running, Wishes, effective_configuration
from plugin.preflight import find_orthanc, require_modules
from plugin.settings import REPOSITORY

STUDIES = (
    ("chest CT", REPOSITORY / "demo" / "ct_lidc_0314"),
    ("brain MR", REPOSITORY / "demo" / "mr_brain_pd"),
)
READY_WITHIN_S = 150.0
SOFT_TISSUE_WINDOW = Window(40, 400)


class DemoFailed(OrthogenError):
    """What was made is not what it should be."""


def show(output: Path, tell: Callable[[str], None]) -> int:
    """Returns 0 if every result was made and passed the checks.

    Raises:
        OrthogenError: the node did not start, or a result is wrong.
    """
    require_modules()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    wishes = Wishes(REPOSITORY / "orthanc.json", output / "storage", free_port(), free_port())
    configuration = {**effective_configuration(wishes), "DicomAet": "ORTHOGEN"}
    tell(f"a node of its own starts: HTTP {wishes.http_port}, DICOM {wishes.dicom_port}")
    with Running.start(find_orthanc(), configuration, wishes.configuration) as running:
        running.await_ready()
        receiver = Receiver("127.0.0.1", int(configuration["DicomPort"]), "ORTHOGEN")
        shown = [
            show_study(name, folder, Visitor(running.url), receiver, output, tell) for name, folder in STUDIES
        ]
    shutil.rmtree(output / "storage", ignore_errors=True)
    write_report(shown, output / "report.html")
    tell(table([HEADINGS, *(study.row() for study in shown)]))
    for study in shown:
        tell(f"{study.name}: {study.summary}")
    tell(f"\nresults, pictures and report: {output}/report.html")
    require_good(shown)
    return 0


def show_study(
    name: str, folder: Path, visitor: Visitor, receiver: Receiver, output: Path, tell: Callable[[str], None]
) -> Shown:
    started = time.monotonic()
    study_instance_uid, sent = send_folder(folder, receiver)
    tell(f"{name}: {sent} instances sent by C-STORE")
    fate = visitor.await_fate(study_instance_uid, within_s=READY_WITHIN_S, tick=show_progress)
    seconds = time.monotonic() - started
    show_progress("")
    jobs, slug = fate["jobs"], name.replace(" ", "_")
    report = output / f"{slug}_gate.html"
    if jobs and jobs[0]["verdict"]:
        report.write_bytes(visitor.gate_report(jobs[0]["id"]))
    if not jobs or not jobs[0]["result_series_uids"] or jobs[0]["state"] != "done":
        return Shown(name, sent, fate, seconds, None, None, report.name if report.exists() else None)
    sources = visitor.series_files(jobs[0]["source_series_uid"])
    results = visitor.series_files(jobs[0]["result_series_uids"][0])
    save_dicom(results, output / slug)
    examination = examine(sources, results, "denoise")
    picture = draw(sources, results, f"{name}: {jobs[0]['pipeline']}", output / f"{slug}.png")
    return Shown(name, sent, fate, seconds, examination, picture.name, report.name)


def save_dicom(results: Sequence[bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, data in enumerate(results, start=1):
        (folder / f"{number:04d}.dcm").write_bytes(data)


def draw(sources: Sequence[bytes], results: Sequence[bytes], title: str, path: Path) -> Path:
    """The middle slice."""
    result = read_slice(results[len(results) // 2])
    wanted = result.header.SourceImageSequence[0].ReferencedSOPInstanceUID
    source = next(slice_ for slice_ in map(read_slice, sources) if slice_.sop_instance_uid == wanted)
    window = SOFT_TISSUE_WINDOW if source.header.Modality == "CT" else Window.of_signal(source.values())
    draw_triptych(source.values(), result.values(), window, title, path)
    return path


def require_good(shown: Sequence[Shown]) -> None:
    """Raises DemoFailed for the first result that is missing or breaks a rule."""
    if not any(study.examination for study in shown):
        raise DemoFailed("no result was made", remedy="see the table's reasons")
    for study in shown:
        if study.job is not None and study.job["state"] != "done":
            raise DemoFailed(f"{study.name}: {study.job['state']}: {'; '.join(study.job['reasons'])}")
        if study.examination is not None and study.examination.findings:
            raise DemoFailed(f"{study.name}: {study.examination.findings[0]}")
        if study.examination is not None and study.examination.instances != study.instances_sent:
            raise DemoFailed(f"{study.name}: {study.examination.instances} results of {study.instances_sent}")


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Plain text, one row a line."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n" + "\n".join(line.rstrip() for line in lines) + "\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def show_progress(text: str) -> None:
    """One line that is written over, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
